# shellcheck shell=bash disable=SC2034,SC2154
# A mail server for the demo, and reading what it got. Sourced by examples/demo.

# Exim takes what it is sent, and keeps it in files. It refuses to run as root.
start_mail() {
  say 'Starting a mail server (Exim), which keeps what it is sent.'
  local exim root runner=() uid gid
  if ! exim=$("$ROOT/tests/servers" smtp); then
    show echo 'There is none to be had here, so no mail is sent.'
    return
  fi
  root=${exim%/usr/sbin/exim4}
  MAIL=$(mktemp -d "${TMPDIR:-/tmp}/tenant-billing-mail.XXXXXX")
  echo "$MAIL" >"$DIR/mail.dir"
  mkdir "$MAIL/bin" "$MAIL/lib" "$MAIL/spool" "$MAIL/log" "$MAIL/mail"
  cp "$exim" "$MAIL/bin/exim4"
  find -L "$root/usr/lib" -maxdepth 2 -type f -exec cp {} "$MAIL/lib" \;
  uid=$(id -u) gid=$(id -g)
  if ((uid == 0)); then
    uid=61234 gid=61234
    runner=(setpriv --reuid=$uid --regid=$gid --clear-groups --)
  fi
  printf 'Debian-exim:x:%s:%s:mail:%s:/bin/sh\nroot:x:0:0:root:/:/bin/sh\n' "$uid" "$gid" "$MAIL" >"$MAIL/passwd"
  printf 'Debian-exim:x:%s:\nroot:x:0:\n' "$gid" >"$MAIL/group"
  MAIL_PORT=$(free_port)
  exim_config >"$MAIL/exim.conf"
  chmod 755 "$MAIL"
  ((UID != 0)) || chown -R "$uid:$gid" "$MAIL"
  start mail "${runner[@]}" env LD_PRELOAD="$MAIL/lib/libnss_wrapper.so" LD_LIBRARY_PATH="$MAIL/lib" \
    NSS_WRAPPER_PASSWD="$MAIL/passwd" NSS_WRAPPER_GROUP="$MAIL/group" \
    "$MAIL/bin/exim4" -C "$MAIL/exim.conf" -bdf
  await 'the mail server answers' 20 answers "$MAIL_PORT"
  show echo "127.0.0.1:$MAIL_PORT"
  NOTIFY=(--smtp-server "127.0.0.1:$MAIL_PORT" --smtp-tls none
    --mail-from 'Example Cloud <billing@example.com>' --mail-operators 'ops@example.com'
    --product-name 'Example Cloud')
}

exim_config() {
  cat <<CONFIG
exim_path = $MAIL/bin/exim4
keep_environment = LD_PRELOAD : LD_LIBRARY_PATH : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
primary_hostname = mail.example
spool_directory = $MAIL/spool
log_file_path = $MAIL/log/%s
pid_file_path = $MAIL/exim.pid
daemon_smtp_ports = $MAIL_PORT
local_interfaces = 127.0.0.1
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = $MAIL/mail
  maildir_format
  user = Debian-exim
  group = Debian-exim
CONFIG
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# One that nobody listens at.
free_port() {
  local port
  while port=$((20000 + RANDOM % 20000)); do
    answers "$port" || { echo "$port" && return; }
  done
}

# await_mail SUBJECT: waits for a mail that was not shown yet, and shows it.
await_mail() {
  [[ -n $MAIL ]] || return 0
  await "a mail that says \"$1\" arrives" 30 has_mail "$1"
  local file
  file=$(mail_files "$1" | first_line)
  mv "$file" "$file.shown"
  printf '\n'
  grep -E '^(From|To|Subject):' "$file.shown" | sed 's/\r$//; s/^/    | /'
  printf '    |\n'
  # The text of it: what follows the head of the first part, up to the next part.
  awk '{ sub(/\r$/, "") } /^Content-Type: text\/plain/ { part = 1 } part == 2 && /^--/ { exit }
    part == 2 { print } part == 1 && $0 == "" { part = 2 }' "$file.shown" |
    sed -e ':join' -e '/=$/ { N; s/=\n//; b join' -e '}' | sed 's/^/    | /'
}

has_mail() {
  [[ -n $(mail_files "$1") ]]
}

mail_files() {
  grep -lsE "^Subject:.*$1" "$MAIL"/mail/new/* 2>/dev/null | grep -v '\.shown$'
}
