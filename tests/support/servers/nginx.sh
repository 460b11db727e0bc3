# shellcheck shell=bash
# nginx with auth_request. Sourced by tests/servers.

nginx_on_path() {
  local program
  # Debian keeps it where users have no path to.
  program=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx) || return
  "$program" -V 2>&1 | grep -q -- --with-http_auth_request_module && echo "$program"
}

nginx_packages() {
  echo nginx
}

nginx_program() {
  echo usr/sbin/nginx
}
