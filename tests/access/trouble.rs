//! When the API server cannot be reached: what is known is told on, and people can see that it is old.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use serde_json::Value;

use super::support::control_plane::ControlPlane;
use super::support::process::{Operator, scratch};
use super::support::world::World;
use super::{grant, until_level, until_metric};

/// Both ends of every connection; nothing once they are cut.
type Ends = Arc<Mutex<Option<Vec<TcpStream>>>>;

/// Passes connections on until it is dropped, and then cuts them all.
struct Line {
    near: SocketAddr,
    ends: Ends,
}

impl Line {
    fn new(near: SocketAddr, to: SocketAddr) -> Self {
        let listener = TcpListener::bind(near).unwrap();
        let near = listener.local_addr().unwrap();
        let ends: Ends = Arc::new(Mutex::new(Some(Vec::new())));
        let line = Self {
            near,
            ends: Arc::clone(&ends),
        };
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(to).unwrap();
                let mut ends = ends.lock().unwrap();
                let Some(ends) = ends.as_mut() else { return };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    ends.push(from.try_clone().unwrap());
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        // However a connection ends, the other half ends with it.
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        line
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let ends = self.ends.lock().unwrap().take();
        for end in ends.into_iter().flatten() {
            // Those that have ended by themselves cannot be ended again.
            let _ = end.shutdown(Shutdown::Both);
        }
        // Wakes the listener, so that it ends, too.
        let _ = TcpStream::connect(self.near);
    }
}

#[tokio::test]
async fn a_replica_that_cannot_watch_tells_what_it_knew_last_and_that_it_is_failing() {
    let world = World::new().await;
    world.apply(world.manifest("acme", "missing")).await;
    let kubeconfig = ControlPlane::shared().await.operator_kubeconfig();
    let mut config: Value = serde_json::from_str(&fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let to: SocketAddr = server.strip_prefix("https://").unwrap().parse().unwrap();
    let line = Line::new((to.ip(), 0).into(), to);
    let near = line.near;
    config["clusters"][0]["cluster"]["server"] = format!("https://{near}").into();

    // Another one leads, which would end without the API server.
    let leader = world.operator().await;
    until_metric(&leader, "tenant_billing_leader", 1.0).await;
    // Its first look has to be over, or it would write over what is granted below.
    world.stalled("acme", "PlanNotFound").await;
    let mut options = world.options.clone();
    options.kubeconfig = scratch("kubeconfig");
    fs::write(&options.kubeconfig, config.to_string()).unwrap();
    let operator = Operator::start(&options).await;
    let id = world.tenant_id("acme");
    let failing = "tenant_billing_access_watch_failing";
    grant(&world, "acme", "Limited").await;
    until_level(&operator, &id, (200, "Limited")).await;
    until_metric(&operator, failing, 0.0).await;
    drop(line);
    until_metric(&operator, failing, 1.0).await;
    grant(&world, "acme", "Suspended").await;
    until_level(&leader, &id, (402, "Suspended")).await;
    until_level(&operator, &id, (200, "Limited")).await;

    let _line = Line::new(near, to);
    until_level(&operator, &id, (402, "Suspended")).await;
    until_metric(&operator, failing, 0.0).await;
    world.finish().await;
}
