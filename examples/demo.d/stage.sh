# shellcheck shell=bash disable=SC2154
# Telling, starting and stopping, and talking to the two sides. Sourced by examples/demo.

# --- telling -----------------------------------------------------------------------------------

say() {
  printf '\n==> %s\n' "$*"
}

show() {
  "$@" 2>&1 | sed 's/^/    /'
}

fail() {
  printf '\ndemo: %s\n' "$*" >&2
  exit 1
}

show_logs() {
  local log
  for log in operator gateway mail sandbox control-plane; do
    [[ -s $DIR/$log.log ]] || continue
    printf '\nThe end of %s:\n' "$DIR/$log.log" >&2
    tail -n 20 "$DIR/$log.log" | sed 's/^/    /' >&2
  done
}

# await WHAT SECONDS COMMAND...: until the command succeeds.
await() {
  local what=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "gave up waiting until $what"
    everything_runs || fail "a program ended while waiting until $what"
    sleep 0.2
  done
}

# --- starting and stopping ---------------------------------------------------------------------

# start NAME COMMAND...: in the background, in a session of its own so that Ctrl-C reaches only this
# script, which then stops things in order. Without KEEP they also end when this script is killed.
start() {
  local name=$1
  shift
  if [[ -z $KEEP ]] && command -v setpriv >/dev/null; then
    set -- setpriv --pdeathsig TERM "$@"
  fi
  setsid "$@" >"$DIR/$name.log" 2>&1 </dev/null &
  echo $! >"$DIR/$name.pid"
}

everything_runs() {
  local file
  for file in "$DIR"/*.pid; do
    [[ ! -e $file ]] || kill -0 "$(<"$file")" 2>/dev/null || return 1
  done
}

# In this order, because each has something to write to the next until it ends.
stop_everything() {
  local name pid
  for name in gateway operator mail sandbox control-plane; do
    [[ -e $DIR/$name.pid ]] || continue
    pid=$(<"$DIR/$name.pid")
    # Only what still is one of ours, should the number have been given away since.
    if grep -qsaE 'tenant-billing|stripe-sandbox|control-plane|nginx' "/proc/$pid/cmdline" &&
      kill -TERM "$pid" 2>/dev/null; then
      await_end "$pid"
    fi
    rm "$DIR/$name.pid"
  done
}

await_end() {
  local deadline=$((SECONDS + 15))
  while kill -0 "$1" 2>/dev/null; do
    ((SECONDS < deadline)) || kill -KILL "$1" 2>/dev/null || return 0
    sleep 0.1
  done
}

finish() {
  local status=$?
  trap - EXIT
  if ((status == 0)) && [[ -n $KEEP ]]; then
    exit 0
  fi
  # Interrupted is not failed.
  ((status == 0 || status > 128)) || show_logs
  say 'Stopping everything.'
  stop_everything
  if ((status == 0 || status > 128)); then
    rm -rf "$DIR" ${MAIL:+"$MAIL"}
  else
    printf '    It went wrong above. The logs stay in %s\n' "$DIR"
  fi
  exit "$status"
}

# --- talking to the two sides ------------------------------------------------------------------

# With a cache of its own: what kubectl remembers of a server would outlive this one.
kubectl() {
  "$ASSETS/kubectl" --kubeconfig "$DIR/control-plane/kubeconfig" --cache-dir "$DIR/kubectl-cache" "$@"
}

# stripe PATH [FORM...]: GET without a form, else POST.
stripe() {
  local path=$1 form=() body
  shift
  while (($#)); do
    form+=(--data-urlencode "$1") && shift
  done
  if ! body=$(curl --silent --show-error --fail-with-body --user "$API_KEY:" "${form[@]}" "$STRIPE$path"); then
    printf '%s: %s\n' "$path" "$body" >&2
    return 1
  fi
  echo "$body"
}

# first_id PREFIX: the first id of that kind in the JSON on stdin.
first_id() {
  grep -oE "\"$1_[A-Za-z0-9]+\"" | tr -d '"' | first_line
}

# Reads to the end, unlike head, which would kill the writer.
first_line() {
  local lines
  lines=$(cat)
  echo "${lines%%$'\n'*}"
}

# tenants JSONPATH: one line for each tenant.
tenants() {
  kubectl get tenantbillings --all-namespaces \
    --output "jsonpath={range .items[*]}$1{\"\\n\"}{end}"
}

# on_plan PLAN JSONPATH: of the first tenant on that plan.
on_plan() {
  tenants "{.spec.plan} $2" | sed -n "s/^$1 //p" | first_line
}

table() {
  show kubectl get tenantbillings --all-namespaces
}
