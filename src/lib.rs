//! The library behind `tenant-billing`, an operator that makes Stripe match what tenants'
//! manifests declare.
//!
//! # The rooms
//!
//! | module         | what it is | what it may touch |
//! |----------------|------------|-------------------|
//! | [`api`]        | what users write: kinds, schemas, reasons, metadata keys | nothing |
//! | [`converge`]   | the brain: desired, observed, plan, status; pure functions | `api` |
//! | [`stripe`]     | transport, typed requests, the mirror of the account, events | Stripe |
//! | [`controller`] | watches, leadership, hearing, reconcile, running the steps, who has access | Kubernetes, `stripe` |
//! | [`notify`]     | mail and CloudEvents behind one trait | receivers |
//! | [`serve`]      | health, metrics, webhooks and access over HTTP | `controller`, `stripe` |
//! | [`cli`]        | arguments | everything |
//!
//! # How a tenant converges
//!
//! Whatever happens (an edit, an event in Stripe, a timer) only says "look at this tenant again".
//! A look reads the mirror, plans with [`converge::plan::tenant`], and if that yields steps, reads
//! the tenant's few objects again, runs one step, folds the answer into the mirror and plans again
//! until nothing is left. In the steady state a look costs no request at all.
//!
//! # How Stripe is heard
//!
//! A webhook and an entry of Stripe's event list are the same thing: a hint which object to read
//! again. Both go into one inbox ([`stripe::Inbox`]), which keeps a hint until the object has been read
//! after its last event, and then has the object's tenants looked at. Since nothing is taken from an
//! event but ids, it does no harm when events come late, twice or in another order; and since a leader
//! that starts lists the whole account, one that is in memory may be acknowledged. What the list
//! holds that no webhook brought is found by the next poll, and what neither did by the next complete
//! list. The place in the event list is kept in the cluster to tell what was missed, and for nothing
//! else.
//!
//! # How a plan converges
//!
//! The terms of a price hash into its lookup key, so [`converge::catalogue`] compares keys: terms
//! that are new make new prices, former terms find the ones they had. Steps run one at a time, with
//! the answer to each put into what was observed. What was seen is remembered, so that a look for
//! the sake of counting subscribers asks Stripe nothing until the account has been listed again.
//!
//! # How a plan changes under a tenant
//!
//! [`converge::plan`] decides what a subscription should sell now, and what from the end of its
//! period on. What it should sell now is one update, after [`converge::quote`] has asked Stripe what
//! that charges; what it should sell later is a schedule of two phases. What was agreed before is
//! in the status, so that somebody's change in Stripe is not taken for one of the manifest. In a
//! rollout of new terms every tenant asks for its turn first.
//!
//! # How a payment method is waited for
//!
//! A card that a customer leaves on Stripe's page is attached and not yet the one that is charged. While
//! one is missing where it is needed, the planner asks what is attached, makes that the default, or has
//! a page made for the customer, which the status holds until it expires. The card's event is one more
//! reason for a look, and that look goes on where the last one had to stop.
//!
//! # How what needs somebody is found
//!
//! The mirror also holds what is not settled: drafts and open invoices, what their payments wait for,
//! disputes, early fraud warnings. [`converge::concern`] judges that anew at each look, and says when
//! the judgement may change by itself; [`converge::news`] tells of what begins and what is over, from
//! the conditions before and after. Links and amounts are in the status and never in events or logs.
//!
//! # How access is told
//!
//! Whoever enforces access reads `status.access`, or what repeats it: an index that every replica keeps
//! from a watch of its own and answers gateways from ([`controller::AccessIndex`]), and a `ConfigMap`
//! per tenant that the leader compares with that index. Both only follow the status. So neither can
//! delay a look or fail one, and a gateway is told the same by every replica, also by one that cannot
//! reach Stripe. Where nothing is known, an operator's flag decides; where nobody answers, the gateway.
//!
//! # What becomes of who does not pay
//!
//! [`converge::dunning`] judges all overdue invoices at each look: nothing of it is remembered, so nothing of
//! it can be wrong for longer than a look. [`converge::access`] follows from it. What is further than the
//! status says is read again before it is believed, and what would take access asks the breaker
//! ([`converge::breaker`]), which knows the fleet from the statuses. [`converge::notice`] says what is due to be
//! told; the outbox in [`controller`] delivers it by [`notify`], between two marks on the Stripe object that it is
//! about. Neither the stage nor access waits for that. Gateways and programs take `status.access`, which every
//! replica watches.
//!
//! # Why nothing is created twice
//!
//! 1. Nothing is created before the account has been listed completely (lists in Stripe are
//!    consistent, its search is not).
//! 2. Every write carries an idempotency key made from the tenant, the operation, the body and the
//!    observed state it starts from: a repetition after a crash has the same key.
//! 3. The intent to create is in the status before the request is sent. While it stands, the object
//!    is searched for before another attempt, even if the manifest was edited meanwhile.
//! 4. Every mutation first checks that this replica still leads.
//! 5. An answer that Stripe had stored is never believed: the object is read again.

pub mod api;
pub mod cli;
pub mod controller;
pub mod converge;
pub mod notify;
pub mod serve;
pub mod stripe;
