# shellcheck shell=bash
# Builds the control plane from Debian 12's own packages. Sourced by tests/control-plane.
#
# Debian has no binary package of kube-apiserver, but its source package `kubernetes` holds all of
# it. Only build tools are installed on the system; etcd and the libraries are unpacked into a
# private directory, because installing etcd-server would also start it as a service. Package lists
# are private too, so the machine's apt configuration stays as it is.

# What the build runs, as command=package.
readonly DEBIAN_BUILD_TOOLS=(go=golang-go rsync=rsync jq=jq make=make dpkg-source=dpkg-dev)

# build_from_debian OUT WORK: puts etcd, kube-apiserver and kubectl into OUT, working in WORK.
build_from_debian() {
  local out=$1 work=$2
  debian_install_tools "$work" || return
  step "reading Debian's package lists" "$CACHE/logs/lists.log" debian_lists "$work" || return
  step "downloading etcd and the Kubernetes sources" "$CACHE/logs/download.log" \
    debian_download "$work" || return
  step "building kube-apiserver and kubectl (5 minutes on two idle cores)" "$CACHE/logs/build.log" \
    debian_build "$work/kubernetes" || return
  install -D -m 0755 -t "$out" "$work/root/usr/bin/etcd" \
    "$work/kubernetes/_output/bin/kube-apiserver" "$work/kubernetes/_output/bin/kubectl"
}

# is_debian_12: the recipe is measured there; other releases have other sources and compilers.
is_debian_12() {
  [[ -r /etc/os-release ]] && (
    # shellcheck disable=SC1091
    . /etc/os-release
    [[ ${ID:-} == debian && ${VERSION_ID:-} == 12 ]]
  )
}

debian_install_tools() {
  local work=$1 tool missing=()
  for tool in "${DEBIAN_BUILD_TOOLS[@]}"; do
    command -v "${tool%%=*}" >/dev/null || missing+=("${tool#*=}")
  done
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    note "the build needs packages only root can install: apt-get install ${missing[*]}"
    return 1
  fi
  step "installing ${missing[*]}" "$CACHE/logs/install.log" debian_apt_install "${missing[@]}"
}

debian_apt_install() {
  apt-get update &&
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# debian_apt WORK ARG...: apt-get with lists and cache of its own below WORK.
debian_apt() {
  local work=$1
  shift
  apt-get \
    -o Dir::State="$work/apt/state" \
    -o Dir::State::status=/var/lib/dpkg/status \
    -o Dir::Cache="$work/apt/cache" \
    -o Dir::Etc::sourcelist="$work/apt/sources.list" \
    -o Dir::Etc::sourceparts="$work/apt/sources.list.d" \
    -o APT::Sandbox::User="$(id -un)" \
    "$@"
}

# The configured sources again, with source packages switched on.
debian_lists() {
  local work=$1 file
  mkdir -p "$work/apt/state/lists/partial" "$work/apt/cache/archives/partial" \
    "$work/apt/sources.list.d"
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -e $file ]] || continue
    sed 's/^Types:.*/Types: deb deb-src/' "$file" >"$work/apt/sources.list.d/${file##*/}"
  done
  : >"$work/apt/sources.list"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -e $file ]] || continue
    sed -n 's/^deb[[:space:]]/&/p; s/^deb[[:space:]]/deb-src /p' "$file" >>"$work/apt/sources.list"
  done
  debian_apt "$work" update
}

debian_download() {
  local work=$1 package
  mkdir -p "$work/packages" "$work/root"
  (
    cd "$work/packages" &&
      debian_apt "$work" download etcd-server golang-github-modern-go-reflect2-dev &&
      debian_apt "$work" source --download-only --only-source kubernetes
  ) || return
  for package in "$work"/packages/*.deb; do
    dpkg-deb --extract "$package" "$work/root" || return
  done
  dpkg-source --extract "$work"/packages/kubernetes_*.dsc "$work/kubernetes" || return
  # The vendored reflect2 reads Go's internal map layout and crashes under Debian's Go 1.19: the
  # server with the first custom resource, and Debian's own kubectl with some of its commands, which
  # is why that one isn't used. Debian's package of the library is the release that put it right.
  local vendored=$work/kubernetes/vendor/github.com/modern-go/reflect2
  rm -rf "$vendored" &&
    cp -rL "$work/root/usr/share/gocode/src/github.com/modern-go/reflect2" "$vendored"
}

# debian_build TREE: no network, no module downloads, no C compiler.
debian_build() {
  local tree=$1 version
  # 1.20.5+really1.20.2-1.1 is Debian's way to write 1.20.2.
  version=$(cd "$tree" && dpkg-parsechangelog --show-field Version | sed -E 's/.*really//; s/-.*//') || return
  env --chdir="$tree" \
    GO111MODULE=off GOPATH="$tree/../gopath" GOCACHE="$tree/../gocache" GOTMPDIR="$tree/.." GOFLAGS='' CGO_ENABLED=0 \
    KUBE_GIT_VERSION="v$version" KUBE_GIT_MAJOR="${version%%.*}" \
    KUBE_GIT_MINOR="$(cut -d. -f2 <<<"$version")" \
    KUBE_GIT_COMMIT=unknown KUBE_GIT_TREE_STATE=archive \
    make all WHAT='cmd/kube-apiserver cmd/kubectl'
}
