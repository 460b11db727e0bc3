# shellcheck shell=bash
# Starts and stops one etcd and one kube-apiserver. Sourced by tests/control-plane.
#
# A run owns its directory through a lock it holds as long as it lives. Both servers ask the kernel
# for a SIGTERM when this shell dies, so even a SIGKILL of it leaves nothing behind.

readonly PORT_ATTEMPTS=5
readonly READY_SECONDS=60

# Set by options().
DIR=
WHILE_PID=

options() {
  while (($#)); do
    case $1 in
    --dir) DIR=${2:?--dir needs a directory} && shift 2 ;;
    --while-pid) WHILE_PID=${2:?--while-pid needs a process id} && shift 2 ;;
    *) die "unexpected argument: $1 (try: $SELF help)" ;;
    esac
  done
  [[ -n $DIR ]] || die "--dir DIR is missing (try: $SELF help)"
  mkdir -p "$DIR"
  DIR=$(cd "$DIR" && pwd)
}

cluster_run() {
  options "$@"
  command -v openssl >/dev/null || die "openssl is needed (Debian: apt-get install openssl)"
  BORN=$(birth "$WHILE_PID")
  [[ -z $WHILE_PID || -n $BORN ]] || die "there is no process $WHILE_PID to run for"
  ASSETS=$(assets)
  exec 9>"$DIR/lock"
  flock --nonblock 9 || die "a control plane is running in $DIR already"
  ETCD=
  APISERVER=
  STOP=
  trap cluster_stop EXIT
  trap 'STOP=1' TERM INT HUP
  cluster_clean
  echo "$$" >"$DIR/pid"
  cluster_certificates
  cluster_start
  : >"$DIR/ready"
  note "ready: $DIR/kubeconfig"
  cluster_wait
}

cluster_up() {
  options "$@"
  [[ -z $WHILE_PID ]] || die "--while-pid goes with run, not with up"
  # Before the background, so that downloads and builds are seen, and fail here.
  assets >/dev/null
  # A new session: Ctrl-C in the terminal that says `up` is not meant for the control plane.
  setsid "$here/control-plane" run --dir "$DIR" >"$DIR/run.log" 2>&1 </dev/null &
  local run=$!
  until [[ -e $DIR/ready && $(cat "$DIR/pid") == "$run" ]]; do
    if ! kill -0 "$run" 2>/dev/null; then
      cat "$DIR/run.log" >&2
      exit 1
    fi
    pause 0.1
  done
  note "ready: kubectl --kubeconfig $DIR/kubeconfig get namespaces"
}

cluster_down() {
  options "$@"
  exec 9>"$DIR/lock"
  if flock --nonblock 9; then
    note "nothing runs in $DIR"
    return
  fi
  kill -TERM "$(cat "$DIR/pid")"
  # The lock is free when the run, and both servers with it, are gone.
  flock --timeout 30 9 || die "the control plane in $DIR did not stop; see $DIR/run.log"
  note "stopped"
}

# Programs started from here: without the lock, and dying with this shell.
supervised() {
  if command -v setpriv >/dev/null; then
    exec setpriv --pdeathsig TERM "$@" 9>&-
  else
    exec "$@" 9>&-
  fi
}

# pause SECONDS: returns early when a signal arrives.
pause() {
  sleep "$1" 9>&- &
  wait $! || true
}

cluster_certificates() {
  local pki=$DIR/pki
  mkdir -p "$pki"
  (
    umask 077
    cd "$pki"
    openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=control-plane-ca \
      -keyout ca.key -out ca.crt
    # A leaf of its own: rustls refuses a certificate authority as server certificate.
    certificate server /CN=kube-apiserver serverAuth 'DNS:localhost,IP:127.0.0.1'
    certificate admin /O=system:masters/CN=admin clientAuth 'DNS:admin'
    openssl genrsa -out service-account.key 2048
    openssl rsa -in service-account.key -pubout -out service-account.pub
  ) >"$DIR/openssl.log" 2>&1 || die "openssl failed; see $DIR/openssl.log"
}

# certificate NAME SUBJECT USAGE ALTERNATIVE_NAMES
certificate() {
  openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr" &&
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" \
      -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$4")
}

# Tries again with other ports when one it picked was taken in between.
cluster_start() {
  local attempt
  for ((attempt = 1; attempt <= PORT_ATTEMPTS; attempt++)); do
    start_servers
    if servers_ready; then
      return
    fi
    [[ -z $STOP ]] || exit 143
    stop_servers
    if ! grep -qs 'address already in use' "$DIR/etcd.log" "$DIR/kube-apiserver.log"; then
      break
    fi
    note "a port was taken; trying others"
  done
  tail -n 20 "$DIR/etcd.log" "$DIR/kube-apiserver.log" >&2
  die "the control plane did not start; logs are in $DIR"
}

start_servers() {
  local etcd_port port
  etcd_port=$(free_port)
  until port=$(free_port) && [[ $port != "$etcd_port" ]]; do :; done
  rm -rf "$DIR/etcd"
  # The data lives as long as the run, so nothing is gained by syncing it to disk.
  supervised "$ASSETS/etcd" --data-dir "$DIR/etcd" --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$etcd_port" \
    --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls http://127.0.0.1:0 >"$DIR/etcd.log" 2>&1 </dev/null &
  ETCD=$!
  # The ServiceAccount admission plugin waits for a controller that does not run here, and there is
  # no `kubernetes` service to keep endpoints for.
  supervised "$ASSETS/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd_port" \
    --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$port" \
    --cert-dir "$DIR/pki" \
    --tls-cert-file "$DIR/pki/server.crt" --tls-private-key-file "$DIR/pki/server.key" \
    --client-ca-file "$DIR/pki/ca.crt" --authorization-mode RBAC \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$DIR/pki/service-account.pub" \
    --service-account-signing-key-file "$DIR/pki/service-account.key" \
    --service-cluster-ip-range 10.96.0.0/16 --endpoint-reconciler-type none \
    --disable-admission-plugins ServiceAccount >"$DIR/kube-apiserver.log" 2>&1 </dev/null &
  APISERVER=$!
  write_kubeconfig "https://127.0.0.1:$port"
}

# Below the range Linux gives to outgoing connections, so that those don't take it a moment later.
free_port() {
  local port
  while :; do
    port=$((RANDOM % 12000 + 20000))
    # Nobody answers: free.
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

write_kubeconfig() {
  local pki=$DIR/pki
  (umask 077 && cat >"$DIR/kubeconfig.new") <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: control-plane
contexts:
- name: control-plane
  context: {cluster: control-plane, user: admin, namespace: default}
clusters:
- name: control-plane
  cluster:
    server: $1
    certificate-authority-data: $(base64 -w 0 "$pki/ca.crt")
users:
- name: admin
  user:
    client-certificate-data: $(base64 -w 0 "$pki/admin.crt")
    client-key-data: $(base64 -w 0 "$pki/admin.key")
KUBECONFIG
  mv "$DIR/kubeconfig.new" "$DIR/kubeconfig"
}

# The default namespace is made after /readyz first answers, and everything needs it.
servers_ready() {
  local deadline=$((SECONDS + READY_SECONDS))
  until api_answers /readyz && api_answers /api/v1/namespaces/default; do
    servers_alive && [[ -z $STOP ]] && ((SECONDS < deadline)) || return 1
    pause 0.2
  done
  # Else it would be somebody else's etcd, on the port that this run's could not get.
  servers_alive
}

api_answers() {
  "$ASSETS/kubectl" --kubeconfig "$DIR/kubeconfig" --request-timeout 5s get --raw "$1" \
    >/dev/null 2>&1 9>&-
}

servers_alive() {
  kill -0 "$ETCD" 2>/dev/null && kill -0 "$APISERVER" 2>/dev/null
}

cluster_wait() {
  while [[ -z $STOP && $(birth "$WHILE_PID") == "$BORN" ]]; do
    servers_alive || die "a server ended by itself; logs are in $DIR"
    pause 1
  done
}

# birth PID: when the process started, or nothing when there is none. The time tells a process from
# a later one that was given the same id.
birth() {
  local stat fields
  [[ -n $1 ]] && { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  # The second field, the program's name, may hold spaces and parentheses.
  read -ra fields <<<"${stat##*) }"
  # A zombie has ended; only its parent has not noticed yet.
  [[ ${fields[0]} == Z ]] || echo "${fields[19]}"
}

cluster_stop() {
  local status=$?
  trap - EXIT TERM INT HUP
  stop_servers
  cluster_clean
  exit "$status"
}

stop_servers() {
  local pid deadline
  for pid in $APISERVER $ETCD; do
    kill -TERM "$pid" 2>/dev/null || continue
    # Long goodbyes are not worth it: the data goes too.
    deadline=$((SECONDS + 5))
    while kill -0 "$pid" 2>/dev/null; do
      ((SECONDS < deadline)) || kill -KILL "$pid" 2>/dev/null || break
      pause 0.1
    done
  done
  ETCD=
  APISERVER=
}

cluster_clean() {
  rm -rf "$DIR/ready" "$DIR/pid" "$DIR/kubeconfig" "$DIR/etcd" "$DIR/pki"
}
