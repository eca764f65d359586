//! The HTTP service of streams: what it shows of all of them, and what it lends each.

use std::sync::{Arc, Weak};

use wappa_component::{Logger, Metrics, Page, Services, Taps};
use wappa_http_server::{Debug, Readiness, Routes, Service, Shown, StreamsApi, View, ViewOf};
use wappa_net::Runtime;
use wappa_spec::StreamConfig;

use super::{api::Api, set::Streams};
use crate::{
    environment::Environment,
    run::VERSION,
    serving::{GRACE, config_of, to_json},
};

/// The service.
#[derive(Debug)]
pub(super) struct StreamsServing {
    lent: Lent,
    service: Option<Service>,
    config: StreamConfig,
    names_http: bool,
    page: Option<(Page, Metrics)>,
    metrics: Metrics,
}

/// What the components of streams are served by. Cloning shares.
#[derive(Clone, Debug)]
pub(super) struct Lent {
    runtime: Runtime,
    routes: Routes,
    taps: Taps,
    root_path: String,
}

impl Lent {
    /// Gives what is built for a stream, or for all of them, what it is served by.
    pub(super) fn provide(&self, services: &mut Services, id: Option<&str>, has_prefix: bool) {
        services.insert(Arc::new(self.runtime.clone()));
        let routes = id.and_then(|it| self.routes_of(it, has_prefix)).unwrap_or_else(|| self.routes.clone());
        services.insert(Arc::new(routes));
    }

    /// The paths of a stream.
    pub(super) fn routes_of(&self, id: &str, has_prefix: bool) -> Option<Routes> {
        Some(self.routes.of_stream(id, has_prefix))
    }

    /// What messages of streams are looked at through.
    pub(super) fn taps(&self) -> &Taps {
        &self.taps
    }

    /// The first piece of the path under which everything is a second time.
    pub(super) fn root_path(&self) -> &str {
        &self.root_path
    }
}

impl StreamsServing {
    /// Reads what the config says of it. The error is for the log.
    pub(super) fn start(
        config: &StreamConfig,
        environment: &Environment,
        logger: &Logger,
        page: Option<(Page, Metrics)>,
        metrics: &Metrics,
    ) -> Result<StreamsServing, String> {
        let runtime = Runtime::default();
        let http = config_of(config, environment);
        let (service, routes) = match http.enabled {
            true => {
                let service = Service::new(&http, &runtime, logger)?;
                let routes = service.routes().clone();
                (Some(service), routes)
            }
            false => {
                let routes = Routes::default();
                routes.close(
                    "the program has no HTTP service (`http.enabled`): give the component an `address`",
                );
                (None, routes)
            }
        };
        let root_path = http.root_path.trim_matches('/').split('/').next().unwrap_or_default().to_string();
        let config = StreamConfig { http, ..config.clone() };
        Ok(StreamsServing {
            lent: Lent { runtime, routes, taps: Taps::default(), root_path },
            service,
            names_http: config.names_http,
            config,
            page,
            metrics: metrics.clone(),
        })
    }

    /// What streams are built with.
    pub(super) fn lent(&self) -> Lent {
        self.lent.clone()
    }

    /// Shows the streams, lets clients change them where that is wanted, and listens.
    pub(super) fn serve(&mut self, streams: &Arc<Streams>, has_api: bool) -> Result<(), String> {
        let Some(service) = &mut self.service else { return Ok(()) };
        let taps = self.lent.taps.clone();
        let shown = self.config.shown.clone();
        let (as_json, as_yaml) = (shown.clone(), shown);
        let debug = self.config.http.debug_endpoints.then(|| Debug {
            config_json: Box::new(move || as_json.as_ref().map(to_json).unwrap_or_default()),
            config_yaml: Box::new(move || as_yaml.as_ref().map(ToString::to_string).unwrap_or_default()),
            at_work: asking(streams, Streams::at_work),
            memory: asking(streams, Streams::memory),
            taps: taps.clone(),
        });
        let api = has_api.then(|| Arc::new(Api::new(streams)) as Arc<dyn StreamsApi>);
        let of_readiness = Arc::downgrade(streams);
        let readiness = move || match of_readiness.upgrade() {
            Some(streams) => streams.readiness(),
            None => Readiness::Ended,
        };
        let of_view = Arc::downgrade(streams);
        service.show(Shown {
            version: VERSION,
            built: "",
            readiness: Box::new(readiness),
            page: self.page.take(),
            view: View {
                version: VERSION,
                metrics: self.metrics.clone(),
                taps,
                has_debug: debug.is_some(),
                of: ViewOf::Many { has_api },
                streams: Box::new(move || of_view.upgrade().map(|it| it.views()).unwrap_or_default()),
            },
            debug,
            streams: api,
        });
        service.listen(self.names_http)
    }

    /// Says goodbye to clients.
    pub(super) fn close(self) {
        if let Some(service) = self.service {
            service.close(GRACE);
        }
    }
}

/// What streams say of themselves at each request, as long as they are there.
fn asking(streams: &Arc<Streams>, ask: fn(&Streams) -> String) -> Box<dyn Fn() -> String + Send + Sync> {
    let streams: Weak<Streams> = Arc::downgrade(streams);
    Box::new(move || streams.upgrade().map(|it| ask(&it)).unwrap_or_default())
}
