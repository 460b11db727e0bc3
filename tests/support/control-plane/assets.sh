# shellcheck shell=bash
# Finds or makes the directory with etcd, kube-apiserver and kubectl. Sourced by tests/control-plane.

readonly PROGRAMS=(etcd kube-apiserver kubectl)
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tenant-billing/control-plane

readonly ENVTEST_DEFAULT_VERSION=1.36.2
readonly ENVTEST_DEFAULT_URL=https://github.com/kubernetes-sigs/controller-tools/releases/download
# SHA-512 of the archives as the project's own envtest-releases.yaml lists them. Written down here,
# because a checksum fetched from the place the archive comes from proves nothing about either.
declare -rA ENVTEST_SHA512_OF=(
  [1.36.2/linux-amd64]=ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dcf30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08
  [1.36.2/linux-arm64]=2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae28181afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac
)

note() {
  printf '%s: %s\n' "$SELF" "$*" >&2
}

die() {
  note "$*"
  exit 1
}

# step TEXT LOG COMMAND...: runs a long command with its output in LOG; says what it does, that it
# still does it, and how it ended.
step() {
  local text=$1 log=$2
  shift 2
  note "$text ..."
  mkdir -p "$(dirname "$log")"
  if { if "$@" >"$log" 2>&1 </dev/null; then echo 0; else echo 1; fi; } | step_progress "$text"; then
    return
  fi
  note "$text: failed. The end of $log:"
  tail -n 20 "$log" | sed 's/^/    /' >&2
  return 1
}

# Reads the exit status its producer writes at the end; speaks up every 30 seconds until then.
step_progress() {
  local text=$1 status started=$SECONDS
  until read -r -t 30 status; do
    # Up to 128 is end of file: the producer was killed before it could tell.
    (($? > 128)) || return 1
    note "$text: $((SECONDS - started)) s so far"
  done
  ((SECONDS - started < 5)) || note "$text: done after $((SECONDS - started)) s"
  return "$status"
}

has_programs() {
  local program
  for program in "${PROGRAMS[@]}"; do
    [[ -x $1/$program ]] || return 1
  done
}

# assets: prints the directory, in the order `help` gives.
assets() {
  if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
    has_programs "$KUBEBUILDER_ASSETS" ||
      die "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks one of: ${PROGRAMS[*]}"
    echo "$KUBEBUILDER_ASSETS"
    return
  fi
  cached && return
  command -v flock >/dev/null || die "flock is needed (Debian: apt-get install util-linux)"
  mkdir -p "$CACHE"
  local lock
  exec {lock}>"$CACHE/lock"
  flock --nonblock "$lock" || { note "waiting for another run that is preparing them" && flock "$lock"; }
  # The run waited for has most likely done the work.
  cached || (obtain) || exit
  exec {lock}>&-
}

envtest_version() {
  echo "${ENVTEST_VERSION:-$ENVTEST_DEFAULT_VERSION}"
}

# Who names a version or a place wants that one, not whatever else is at hand.
envtest_requested() {
  [[ -n ${ENVTEST_VERSION:-}${ENVTEST_BASE_URL:-}${ENVTEST_SHA512:-} ]]
}

platform() {
  local machine
  machine=$(uname -m)
  case $machine in
  x86_64) machine=amd64 ;;
  aarch64) machine=arm64 ;;
  esac
  echo "$(uname -s | tr '[:upper:]' '[:lower:]')-$machine"
}

envtest_directory() {
  echo "$CACHE/envtest-$(envtest_version)-$(platform)"
}

debian_directory() {
  echo "$CACHE/debian-12-$(platform)"
}

cached() {
  if has_programs "$(envtest_directory)"; then
    envtest_directory
  elif ! envtest_requested && has_programs "$(debian_directory)"; then
    debian_directory
  else
    return 1
  fi
}

# obtain: fills the cache and prints the directory. Runs in a subshell, under the lock, so that its
# working directory goes when it ends, however it ends.
obtain() {
  local work=$CACHE/work
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  trap 'exit 130' INT TERM
  rm -rf "$work"
  mkdir -p "$work/out" "$CACHE/logs"
  if fetch_envtest "$work/out" "$work"; then
    keep "$work/out" "$(envtest_directory)"
  elif ! envtest_requested && is_debian_12 && build_from_debian "$work/out" "$work"; then
    keep "$work/out" "$(debian_directory)"
  else
    nothing_works
  fi
}

# keep FROM TO: a rename, so that nobody ever sees half a directory.
keep() {
  has_programs "$1" || die "internal: $1 lacks one of: ${PROGRAMS[*]}"
  rm -rf "$2" && mv "$1" "$2" && echo "$2"
}

# fetch_envtest OUT WORK: fails when the archive cannot be had; ends the script when it can, but is
# not what it should be.
fetch_envtest() {
  local out=$1 work=$2 version platform url expected actual
  version=$(envtest_version)
  platform=$(platform)
  expected=${ENVTEST_SHA512:-${ENVTEST_SHA512_OF[$version/$platform]:-}}
  if [[ -z $expected ]]; then
    note "no checksum is known for Kubernetes $version on $platform: set ENVTEST_SHA512"
    return 1
  fi
  if ! command -v curl >/dev/null; then
    note "curl is not installed, so the envtest archive cannot be downloaded"
    return 1
  fi
  url=${ENVTEST_BASE_URL:-$ENVTEST_DEFAULT_URL}/envtest-v$version/envtest-v$version-$platform.tar.gz
  step "downloading $url" "$CACHE/logs/envtest.log" \
    curl --fail --silent --show-error --location --connect-timeout 5 \
    --speed-limit 10240 --speed-time 20 --output "$work/envtest.tar.gz" "$url" || return 1
  actual=$(sha512sum "$work/envtest.tar.gz")
  actual=${actual%% *}
  [[ $actual == "$expected" ]] ||
    die "$url does not match its checksum and is not used (expected $expected, got $actual)"
  tar -C "$out" --extract --gzip --strip-components=2 --file "$work/envtest.tar.gz" \
    "${PROGRAMS[@]/#/controller-tools/envtest/}" ||
    die "$url matches its checksum but does not hold ${PROGRAMS[*]}"
}

nothing_works() {
  note "there is no control plane to test against. Any one of these helps:
  - set KUBEBUILDER_ASSETS to a directory that holds ${PROGRAMS[*]}
  - allow access to ${ENVTEST_BASE_URL:-$ENVTEST_DEFAULT_URL}, or name a mirror in ENVTEST_BASE_URL
  - use Debian 12, as root or with these installed: ${DEBIAN_BUILD_TOOLS[*]#*=}
Logs: $CACHE/logs"
  exit 1
}
