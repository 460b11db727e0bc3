# shellcheck shell=bash
# Fetches servers from Debian's packages without installing them: installing would start them as
# services. Sourced by tests/servers.

# debian_unpack NAME: unpacks the packages of a server into the cache.
debian_unpack() {
  local name=$1 work=$CACHE/work.$1
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return
  rm -rf "$work" && mkdir -p "$work/root" "$CACHE/logs"
  note "fetching $name from Debian's packages"
  # shellcheck disable=SC2046
  if ! debian_download "$work" $("${name}_packages") >"$CACHE/logs/$name.log" 2>&1; then
    note "that failed; the end of $CACHE/logs/$name.log:"
    tail -n 5 "$CACHE/logs/$name.log" >&2
    rm -rf "$work"
    return 1
  fi
  # A rename, so that nobody ever sees half of it.
  rm -rf "${CACHE:?}/$name" && mv "$work/root" "$CACHE/$name" && rm -rf "$work"
}

# debian_download WORK PACKAGE...: with the machine's package lists, or else with fresh ones of its own.
debian_download() {
  local work=$1 package
  shift
  (cd "$work" && debian_apt "$work" false download "$@") ||
    { debian_apt "$work" true update && (cd "$work" && debian_apt "$work" true download "$@"); } || return
  for package in "$work"/*.deb; do
    dpkg -x "$package" "$work/root" || return
  done
}

# debian_apt WORK OWN_LISTS ARG...: apt-get that leaves the machine as it is.
debian_apt() {
  local work=$1 own=$2 options=(-o APT::Sandbox::User="$(id -un)" -o Dir::Cache="$work/cache")
  shift 2
  mkdir -p "$work/cache/archives/partial" "$work/state/lists/partial"
  if [[ $own == true ]]; then
    options+=(-o Dir::State="$work/state" -o Dir::State::status=/var/lib/dpkg/status)
  fi
  apt-get "${options[@]}" "$@"
}
