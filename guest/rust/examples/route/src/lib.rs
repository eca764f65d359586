//! Works on metadata alone: sets `route` by `kind` and the config, and tidies up. The content is never read.

use wappa_guest::{Config, Message, Processor, Result};

/// The processor. It looks the config up with every message.
#[derive(Debug)]
pub struct Route {
    config: Config,
}

impl Processor for Route {
    fn configure(config: Config) -> Result<Route> {
        Ok(Route { config })
    }

    fn process(&mut self, message: &mut Message) -> Result {
        let keys = message.metadata_keys().join(",");
        let route = message
            .metadata_text("kind")
            .and_then(|kind| self.config.get(&format!("route.{kind}")))
            .or_else(|| self.config.get("default"))
            .unwrap_or("none".to_string());
        message.set_metadata("route", &route);
        message.set_metadata("keys", keys);
        message.set_metadata("position", format!("{}/{}", message.batch_index(), message.batch_len()));
        message.delete_metadata("secret");
        if let Some(error) = message.error() {
            message.set_metadata("last_error", error);
            message.clear_error();
        }
        wappa_guest::count("routed", 1);
        wappa_guest::debug!("routed to {route}");
        Ok(())
    }
}

wappa_guest::export!(Route);
