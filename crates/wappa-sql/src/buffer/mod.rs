//! The buffer `sqlite`.

mod batch;
mod database;
mod keeper;
mod shared;

use std::{path::Path, sync::Arc, time::Duration};

use wappa_component::{
    Buffer, BufferEnds, BuildBuffer, BuildError, Charges, Component, Context, Input, InputBell, Order,
    Parcel, Pulse, ReadError, Step, Waits,
};
use wappa_net::Runtime;
use wappa_spec::{ComponentNode, Config};

use self::{keeper::Keeper, shared::Shared};
use crate::dsn::SqliteTarget;

pub(crate) const COMPONENT: Component =
    Component::buffer::<SqliteConfig>("sqlite").categories(&["Utility"]).reaching_machine();

wappa_component::series! {
    STORED: gauge "buffer_stored", [], "Batches in the buffer `sqlite`, those included that came out and are not answered. At the start all between the oldest and the newest count.";
}

/// The most that SQLite has room for in a row, less what else is in it.
const ROW_BYTES_MAX: usize = 1_000_000_000 - 1024;

/// How long the end of a stream waits for the file to be closed.
const CLOSED_MAX: Duration = Duration::from_secs(2);

/// Keeps messages in a file between the input and the pipeline, so that they outlive the process.
///
/// The input is read whatever the pipeline does, as long as the disk has room, so that an output that is down for hours holds
/// up no source.
///
/// # Examples
///
/// ### What comes is kept until it is delivered
///
/// ```yaml
/// input:
///   stdin: {}
/// buffer:
///   sqlite:
///     path: ./kept.db
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// For the input a message has arrived as soon as it is on the disk: its source forgets it. It leaves the file once it is
/// delivered. So a process that is killed, and a machine that loses its power, lose nothing that was told to the source as
/// arrived; when the process starts again it begins with the oldest message. What was on its way to the output then comes
/// once more.
///
/// A message that fails is delivered again from memory, before anything new, until it arrives.
///
/// When the input ends, everything in the file is delivered first. At a stop nothing more is read from it: what is on its
/// way is worked off, and the rest stays for the next start.
///
/// # The file
///
/// A process has the file for itself: a second one waits until it ends. The file is a database of SQLite, with the table and
/// the form of rows that Bento has, so that either program goes on with what the other has left. A row that cannot be read
/// stays, with a line in the log. Messages that are marked as failed keep their mark in Wappa, and lose it in Bento.
///
/// # Performance
///
/// What has come while the file was being written goes into one transaction, and messages that nothing older waits for are
/// not read from the file again. Each batch is a row: where messages need not be apart, batches make it faster.
#[derive(Config, Debug)]
struct SqliteConfig {
    /// The file. It is made if it is not there; its folder is not.
    #[config(example = "./buffer.db")]
    path: String,

    /// Processors for messages before they are stored: to compress them, for instance.
    #[config(child = "processor", default = "[]")]
    pre_processors: Vec<ComponentNode>,

    /// Processors for messages when they come out: to undo that.
    #[config(child = "processor", default = "[]")]
    post_processors: Vec<ComponentNode>,
}

impl BuildBuffer for SqliteConfig {
    fn build(self, filler: InputBell, ctx: &mut Context<'_>) -> Result<BufferEnds, BuildError> {
        let target = target(&self.path).map_err(BuildError::new)?;
        let before = ctx.processors("pre_processors", &self.pre_processors)?;
        let after = ctx.processors("post_processors", &self.post_processors)?;
        let stored = ctx.metrics().gauge(STORED.name, &[("label", ctx.label()), ("path", ctx.path())]);
        let shared = Arc::new(Shared::new(filler, ctx.input_bell(), stored));
        let runtime = Runtime::of(ctx);
        let keeper = Keeper { target, shared: Arc::clone(&shared), logger: ctx.logger() };
        runtime.spawn(keeper.keep()).map_err(BuildError::new)?;
        let inlet = Inlet { shared: Arc::clone(&shared), runtime: runtime.clone(), pulse: ctx.pulse() };
        let (buffer, input) = (Box::new(inlet), Box::new(Outlet { shared, runtime }));
        Ok(BufferEnds { before, after, is_durable: true, ..BufferEnds::new(buffer, input) })
    }
}

/// What the path says. What is missing before the stream starts will not come by itself.
fn target(path: &str) -> Result<SqliteTarget, String> {
    let target = SqliteTarget::parse(path)?;
    if target.is_in_memory {
        return Err(format!(
            "the path `{path}` names no file: what is kept in memory is for the buffer `memory`"
        ));
    }
    let folder = Path::new(&target.name).parent().filter(|it| !it.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(format!("the folder {} of the buffer's file is not there: make it first", folder.display()))
        }
        _ => Ok(target),
    }
}

/// Rows next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rows {
    first: i64,
    last: i64,
}

/// Where messages come in.
struct Inlet {
    shared: Arc<Shared>,
    runtime: Runtime,
    pulse: Arc<dyn Pulse>,
}

impl Buffer for Inlet {
    fn has_room(&self) -> bool {
        self.shared.has_room()
    }

    fn put(&mut self, parcel: Parcel, charges: Charges) -> usize {
        let parcel = parcel.with_order(Order::Stream);
        match rows_of(&parcel) {
            Ok(rows) => self.shared.put(parcel, charges, rows),
            Err(why) => parcel.into_stretch().1.failed(wappa_message::Mark::of_hopeless(why)),
        }
        0
    }

    fn end(&mut self) {
        let shared = Arc::clone(&self.shared);
        let written = async move { shared.written().await };
        let is_written = self.runtime.finish_within(&Step::new(0, self.pulse.as_ref()), written).is_some();
        if !is_written {
            self.shared.give_up_coming();
        }
        self.shared.end();
    }
}

fn rows_of(parcel: &Parcel) -> Result<Vec<Vec<u8>>, String> {
    let messages = parcel.messages();
    let mut start = 0;
    let row = |end: u32| {
        let batch = std::mem::replace(&mut start, end as usize)..end as usize;
        let row = batch::write(&messages[batch])?;
        match row.len() <= ROW_BYTES_MAX {
            true => Ok(row),
            false => Err(format!("a batch of {} bytes is more than SQLite has room for", row.len())),
        }
    };
    parcel.batch_ends().into_iter().map(row).collect()
}

/// Where messages come out.
struct Outlet {
    shared: Arc<Shared>,
    runtime: Runtime,
}

impl Input for Outlet {
    fn read(&mut self, _: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let (parcel, charges) = self.shared.take()?;
        step.put_charges(charges);
        Ok(parcel)
    }

    fn stop(&mut self) {
        self.shared.stop();
    }

    fn is_exhausted(&self) -> bool {
        self.shared.is_over()
    }

    fn close(&mut self) -> Result<(), String> {
        self.shared.close();
        self.runtime.wait(CLOSED_MAX, self.shared.closed()).map_err(|_| {
            format!(
                "the buffer's file is not closed after {CLOSED_MAX:?}: what has left it may come once more"
            )
        })
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.shared.close();
    }
}
