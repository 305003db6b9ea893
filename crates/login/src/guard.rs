//! Which login service clients find: an operator's own, when one is registered in `public`, else the server's.

use std::sync::Arc;
use std::time::Duration;

use hypha_hub::Hub;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::accounts::AccountStore;
use crate::error::Error;
use crate::login::Login;
use crate::options::Options;
use crate::service::{LoginService, SERVICE_ID};

/// How often is looked whether there is another login service.
const PERIOD: Duration = Duration::from_secs(1);

/// The login service of a running hub. It is offered until this is dropped.
pub struct Offered {
    place: Arc<Place>,
    guard: JoinHandle<()>,
}

/// The place that is the server's own or an operator's.
struct Place {
    hub: Hub,
    service: LoginService,
    is_ours: Mutex<bool>,
}

/// Offers the login service as `public/<server id>:hypha-login`, unless and for as long as a client has registered one
/// with that id in `public`: then the server's own steps back. It can be reached as `hypha-login-default` all the time.
///
/// # Errors
/// TLS cannot be set up, or the hub is not running.
pub fn offer(hub: &Hub, options: Options, accounts: Arc<dyn AccountStore>) -> Result<Offered, Error> {
    let service = LoginService::new(Arc::new(Login::new(hub.clone(), options, accounts)?));
    hub.offer(Arc::new(service.as_default()))?;
    let place = Arc::new(Place {
        hub: hub.clone(),
        service,
        is_ours: Mutex::new(false),
    });
    place.settle()?;
    let guarded = place.clone();
    let guard = tokio::spawn(async move {
        loop {
            tokio::time::sleep(PERIOD).await;
            if let Err(error) = guarded.settle() {
                tracing::warn!(%error, "the login service is not offered");
            }
        }
    });
    Ok(Offered { place, guard })
}

impl Offered {
    /// Looks at once whether there is another login service, which otherwise takes up to a second.
    ///
    /// # Errors
    /// The hub is not running.
    pub fn settle(&self) -> Result<(), Error> {
        self.place.settle()
    }
}

impl Place {
    fn settle(&self) -> Result<(), Error> {
        let mut is_ours = self.is_ours.lock();
        let is_due = !self.hub.is_offered_by_client(SERVICE_ID);
        if is_due && !*is_ours {
            self.hub.offer(Arc::new(self.service.clone()))?;
        } else if !is_due && *is_ours {
            tracing::info!("a client offers {SERVICE_ID}; the server's own steps back");
            self.hub.withdraw(SERVICE_ID);
        }
        *is_ours = is_due;
        Ok(())
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.guard.abort();
        self.place.hub.withdraw(SERVICE_ID);
    }
}
