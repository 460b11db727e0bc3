# shellcheck shell=bash disable=SC2154
# A tenant that does not pay, day by day. Sourced by examples/demo.

fail_payment() {
  say "acme's bank declines its card from now on, and its period ends."
  local customer card end
  customer=$(tenant acme '{.status.stripe.customerId}')
  card=$(stripe /v1/payment_methods/pm_card_chargeCustomerFail/attach "customer=$customer" | first_id pm)
  stripe "/v1/customers/$customer" "invoice_settings[default_payment_method]=$card" >/dev/null
  end=$(seconds acme '{.status.currentPeriod.end}')
  # Stripe leaves a renewal invoice open for an hour, and then tries to collect it.
  advance_to $((end + 3600 + 60))
  await 'the first stage of the dunning' 60 stage_is acme Reminder
  since=$(seconds acme '{.status.dunning.since}')
  tell_stage 'did not go through'
}

escalate() {
  local day stage subject
  while IFS=: read -r day stage subject; do
    say "Day $day."
    advance_to $((since + (day - 1) * 86400))
    await "the stage $stage" 60 stage_is acme "$stage"
    tell_stage "$subject"
  done <<'STAGES'
4:Warning:still missing
7:Limited:access is limited
8:Suspended:access is suspended
STAGES
}

# tell_stage SUBJECT: what everybody sees.
tell_stage() {
  show kubectl get tenantbillings --namespace tenants acme
  printf '\n'
  show tenant acme '{.status.dunning.message}'
  printf '\n'
  await_mail "$1"
  ask_gateway
}

pay_and_return() {
  say "The customer opens the invoice's page, and pays with another card."
  local page
  page=$(tenant acme '{.status.payment.actionRequired.url}')
  curl --silent --show-error --fail --output "$DIR/page.html" --data card=pm_card_visa "$page"
  await 'access is full' 30 access_is acme Full
  [[ -z $GATEWAY ]] || await 'the gateway lets acme in' 10 gateway_says 200
  say 'Paid: full access, at once.'
  show kubectl get tenantbillings --namespace tenants acme
  await_mail 'access is back'
  ask_gateway
  printf '\n'
  show kubectl get events --namespace tenants --sort-by .metadata.creationTimestamp \
    --field-selector involvedObject.name=acme \
    --output custom-columns=REASON:.reason,NOTE:.message
}

stage_is() {
  [[ $(tenant "$1" '{.status.dunning.stage}') == "$2" ]]
}

access_is() {
  [[ $(tenant "$1" '{.status.access.level}') == "$2" ]]
}

# seconds NAME JSONPATH: a time of the status in Unix seconds.
seconds() {
  date --date "$(tenant "$1" "$2")" +%s
}
