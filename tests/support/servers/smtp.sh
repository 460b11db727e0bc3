# shellcheck shell=bash
# Exim, as a mail server to send through. Sourced by tests/servers.

# The machine's own is set up to run as its own user, and is not made for a private configuration.
smtp_on_path() {
  false
}

# Whoever has it unpacked runs it without its user, whose name libnss-wrapper makes known.
smtp_packages() {
  echo exim4-daemon-light libidn12 libnss-wrapper libgnutls-dane0 libunbound8 libevent-2.1-7
}

smtp_program() {
  echo usr/sbin/exim4
}
