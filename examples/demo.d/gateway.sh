# shellcheck shell=bash disable=SC2154
# A gateway for the demo: nginx as in examples/gateways/nginx.conf. Sourced by examples/demo.

start_gateway() {
  say 'Starting nginx as the gateway of the product, which asks the operator about every request.'
  local nginx app
  if ! nginx=$("$ROOT/tests/servers" nginx); then
    show echo 'There is none to be had here, so there is no gateway.'
    return
  fi
  GATEWAY=127.0.0.1:$(free_port)
  app=127.0.0.1:$(free_port)
  # The shipped configuration, with addresses of this machine, for a customer that is acme; and a product.
  sed -e "s/tenant-billing-access.tenant-billing-system.svc:8080/${HEALTH#http://}/" \
    -e "s/app.default.svc:8080/$app/" -e "s/listen 8080;/listen $GATEWAY;/" \
    -e "s|\"tenants/acme\"|\"tenant_001\"|" -e "s|/tmp/|$DIR/|" \
    -e '$d' "$ROOT/examples/gateways/nginx.conf" >"$DIR/nginx.conf"
  cat >>"$DIR/nginx.conf" <<CONFIG
    server {
        listen $app;
        default_type text/plain;
        location / {
            return 200 "Hello, acme. Access: \$http_x_tenant_access. Limits: \$http_x_tenant_limits\n";
        }
    }
}
CONFIG
  start gateway "$nginx" -p "$DIR" -c "$DIR/nginx.conf" -e stderr \
    -g 'daemon off; master_process off; error_log stderr;'
  await 'the gateway answers' 20 answers "${GATEWAY#*:}"
  show echo "http://$GATEWAY"
}

# What the customer acme gets from the product.
ask_gateway() {
  [[ -n $GATEWAY ]] || return 0
  printf '\n    $ curl http://gateway/ as acme\n'
  curl --silent --header 'Authorization: Bearer example-key-of-acme' \
    --write-out '\n    HTTP %{http_code}\n' "http://$GATEWAY/" | sed 's/^\([^ ]\)/    \1/; /^$/d'
}

# gateway_says CODE
gateway_says() {
  [[ $(curl --silent --output /dev/null --write-out '%{http_code}' \
    --header 'Authorization: Bearer example-key-of-acme' "http://$GATEWAY/") == "$1" ]]
}
