//! The HTTP service of a run: it is there before the stream is built, and until all that is under way was answered.

use wappa_component::{Logger, Metrics, Page, Services, Taps};
use wappa_engine::Activity;
use wappa_spec::{HttpConfig, Node, StreamConfig};

use crate::environment::Environment;

/// The variable that says where the service listens, unless the config does.
const ADDRESS: &str = "WAPPA_HTTP_ADDRESS";

/// What the config, or else the environment, says of the service.
pub(crate) fn config_of(config: &StreamConfig, environment: &Environment) -> HttpConfig {
    let mut http = config.http.clone();
    if http.address == HttpConfig::ADDRESS
        && let Some(address) = environment.var(ADDRESS)
    {
        http.address = address.to_string();
    }
    http
}

#[cfg(feature = "http")]
mod with_http {
    use std::{
        sync::{Arc, Mutex, MutexGuard, PoisonError},
        time::Duration,
    };

    use wappa_http_server::{
        Debug, Made, Picture, Readiness, Routes, Service, Shown, StreamState, StreamView, View, ViewOf,
    };
    use wappa_message::Value;
    use wappa_net::Runtime;
    use wappa_spec::StreamConfig;
    use wappa_wasm::Holdings;

    use super::{Activity, Environment, Logger, Metrics, Node, Page, Services, Taps, config_of};
    use crate::{graph::live, run::VERSION, table};

    /// How long clients have, at the end, to take their answers.
    pub(crate) const GRACE: Duration = Duration::from_secs(1);

    /// The service, and how far the stream is.
    #[derive(Debug)]
    pub(crate) struct Serving {
        runtime: Runtime,
        routes: Routes,
        service: Option<Service>,
        stream: Arc<Mutex<Stream>>,
        config: Arc<Mutex<Config>>,
        taps: Taps,
        guests: Arc<Mutex<Vec<Holdings>>>,
    }

    /// The config of the stream, as it may be shown, and the picture of it once somebody looks.
    #[derive(Debug, Default)]
    struct Config {
        shown: Option<Node>,
        picture: Option<Arc<Picture>>,
    }

    impl Config {
        fn new(shown: Option<Node>) -> Config {
            Config { shown, picture: None }
        }

        fn picture(&mut self) -> Arc<Picture> {
            let shown = &self.shown;
            let draw = || {
                let picture = shown.as_ref().map(|it| live::picture(it, &table::registry()));
                Arc::new(picture.unwrap_or_default())
            };
            Arc::clone(self.picture.get_or_insert_with(draw))
        }
    }

    #[derive(Debug)]
    enum Stream {
        Starting,
        Runs(Activity),
        Ended,
    }

    impl Serving {
        /// Listens, if the config wants it. The error is for the log.
        pub(crate) fn start(
            config: &StreamConfig,
            environment: &Environment,
            logger: &Logger,
            page: Option<(Page, Metrics)>,
            metrics: &Metrics,
        ) -> Result<Serving, String> {
            let (runtime, stream) = (Runtime::default(), Arc::new(Mutex::new(Stream::Starting)));
            let (shown, taps) = (Arc::new(Mutex::new(Config::new(config.shown.clone()))), Taps::default());
            let guests = Arc::default();
            let http = config_of(config, environment);
            if !http.enabled {
                let routes = Routes::default();
                routes.close(
                    "the program has no HTTP service (`http.enabled`): give the component an `address`",
                );
                return Ok(Serving { runtime, routes, service: None, stream, config: shown, taps, guests });
            }
            let mut service = Service::new(&http, &runtime, logger)?;
            let of_page = Arc::clone(&stream);
            let at_work = Arc::clone(&stream);
            let debug = http.debug_endpoints.then(|| Debug {
                config_json: made_of(&shown, to_json),
                config_yaml: made_of(&shown, ToString::to_string),
                at_work: Box::new(move || match &*lock(&at_work) {
                    Stream::Runs(activity) => activity.at_work().iter().map(|it| format!("{it}\n")).collect(),
                    Stream::Starting | Stream::Ended => String::new(),
                }),
                memory: lines_of(&guests),
                taps: taps.clone(),
            });
            service.show(Shown {
                version: VERSION,
                built: "",
                readiness: Box::new(move || match &*lock(&of_page) {
                    Stream::Starting => Readiness::Starting,
                    Stream::Runs(activity) => {
                        let (inputs, outputs) = activity.are_connected();
                        Readiness::Running { inputs, outputs }
                    }
                    Stream::Ended => Readiness::Ended,
                }),
                page,
                view: View {
                    version: VERSION,
                    metrics: metrics.clone(),
                    taps: taps.clone(),
                    has_debug: debug.is_some(),
                    of: ViewOf::One,
                    streams: streams_of(&stream, &shown),
                },
                debug,
                streams: None,
            });
            service.listen(config.names_http)?;
            let routes = service.routes().clone();
            Ok(Serving { runtime, routes, service: Some(service), stream, config: shown, taps, guests })
        }

        /// What guests of one more stream hold is shown, as long as it is there.
        pub(crate) fn counts(&self, holdings: Holdings) {
            let mut guests = lock(&self.guests);
            guests.retain(|it| it.bytes().is_some());
            guests.push(holdings);
        }

        /// Gives a stream that is built what its components are served by.
        pub(crate) fn provide(&self, services: &mut Services) {
            services.insert(Arc::new(self.runtime.clone()));
            services.insert(Arc::new(self.routes.clone()));
        }

        /// What messages of streams are looked at through.
        pub(crate) fn taps(&self) -> &Taps {
            &self.taps
        }

        /// What is shown is the config of the stream that is to run.
        pub(crate) fn shows(&self, config: Option<Node>) {
            *lock(&self.config) = Config::new(config);
        }

        /// A stream runs, until another one does.
        pub(crate) fn runs(&self, activity: &Activity) {
            *lock(&self.stream) = Stream::Runs(activity.clone());
        }

        /// The stream has ended.
        pub(crate) fn has_ended(&self) {
            *lock(&self.stream) = Stream::Ended;
        }

        /// Says goodbye to clients.
        pub(crate) fn close(self) {
            if let Some(service) = self.service {
                service.close(GRACE);
            }
        }
    }

    /// A config as JSON. It is no deeper than YAML may be.
    pub(crate) fn to_json(node: &Node) -> String {
        let text = |it: &str| Value::text(it).to_json();
        if let Some(pairs) = node.as_map() {
            let pair = |(key, value): &(Node, Node)| format!("{}:{}", text(key.as_key()), to_json(value));
            return format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(","));
        }
        if let Some(items) = node.as_seq() {
            return format!("[{}]", items.iter().map(to_json).collect::<Vec<_>>().join(","));
        }
        match (node.as_bool(), node.as_int(), node.as_float().filter(|it| it.is_finite())) {
            _ if node.is_null() => "null".to_string(),
            (Some(it), ..) => it.to_string(),
            (_, Some(it), _) => it.to_string(),
            (.., Some(it)) => it.to_string(),
            _ => text(node.as_str().unwrap_or_default()),
        }
    }

    /// What is made of the config at each request.
    fn made_of(config: &Arc<Mutex<Config>>, make: impl Fn(&Node) -> String + Send + Sync + 'static) -> Made {
        let config = Arc::clone(config);
        Box::new(move || lock(&config).shown.as_ref().map(&make).unwrap_or_default())
    }

    /// What the page shows of the stream at each look.
    fn streams_of(
        stream: &Arc<Mutex<Stream>>,
        config: &Arc<Mutex<Config>>,
    ) -> Box<dyn Fn() -> Vec<StreamView> + Send + Sync> {
        let (stream, config) = (Arc::clone(stream), Arc::clone(config));
        Box::new(move || {
            let picture = lock(&config).picture();
            let view = |state| StreamView {
                name: String::new(),
                state,
                threads: 1,
                connections: Vec::new(),
                oldest: None,
                picture,
            };
            vec![match &*lock(&stream) {
                Stream::Starting => view(StreamState::Starting),
                Stream::Runs(activity) => StreamView {
                    threads: activity.threads(),
                    connections: activity.connections(),
                    oldest: activity.oldest_unanswered(),
                    ..view(StreamState::Running)
                },
                Stream::Ended => view(StreamState::Ended),
            }]
        })
    }

    /// Lines on what guests hold: of all streams that are there, where one takes over from another.
    fn lines_of(guests: &Arc<Mutex<Vec<Holdings>>>) -> Made {
        let guests = Arc::clone(guests);
        Box::new(move || {
            let all: Vec<(usize, usize)> = lock(&guests).iter().filter_map(Holdings::bytes).collect();
            let held: usize = all.iter().map(|it| it.0).sum();
            let line = |limit: usize| format!("guests {held}\nguests_limit {limit}\n");
            all.iter().map(|it| it.1).max().map(line).unwrap_or_default()
        })
    }

    fn lock<T>(stream: &Mutex<T>) -> MutexGuard<'_, T> {
        stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(not(feature = "http"))]
mod without_http {
    use wappa_wasm::Holdings;

    use super::{
        Activity, Environment, Logger, Metrics, Node, Page, Services, StreamConfig, Taps, config_of,
    };

    /// No service: this build has none.
    #[derive(Debug)]
    pub(crate) struct Serving {
        taps: Taps,
    }

    impl Serving {
        pub(crate) fn start(
            config: &StreamConfig,
            environment: &Environment,
            _: &Logger,
            _: Option<(Page, Metrics)>,
            _: &Metrics,
        ) -> Result<Serving, String> {
            let _ = config_of(config, environment);
            Ok(Serving { taps: Taps::default() })
        }

        pub(crate) fn provide(&self, _: &mut Services) {}

        pub(crate) fn counts(&self, _: Holdings) {}

        pub(crate) fn taps(&self) -> &Taps {
            &self.taps
        }

        pub(crate) fn shows(&self, _: Option<Node>) {}

        pub(crate) fn runs(&self, _: &Activity) {}

        pub(crate) fn has_ended(&self) {}

        pub(crate) fn close(self) {}
    }
}

#[cfg(feature = "http")]
pub(crate) use with_http::{GRACE, Serving, to_json};
#[cfg(not(feature = "http"))]
pub(crate) use without_http::Serving;
