//! A picture that numbers are written into, for the page of the HTTP service.

use wappa_http_server::{Picture, PicturePart, PictureWay};
use wappa_spec::{Node, Registry};

use super::{
    flow::Flow,
    layout::{Layout, Sizes},
};

/// There is room for a name, a label and a line of numbers.
const SIZES: Sizes = Sizes { height: 92, row: 122, width_min: 172, gap: 30, character: 9 };

/// The picture of a config that may be shown.
pub(crate) fn picture(shown: &Node, registry: &dyn Registry) -> Picture {
    let flow = Flow::of(shown, registry);
    let Layout { width, height, places, lines } = Layout::of(&flow, SIZES);
    let part = |(part, place): (super::flow::Part, super::layout::Place)| PicturePart {
        role: part.role.name(),
        name: part.name,
        label: part.label,
        path: part.path,
        x: place.x,
        y: place.y,
        width: place.width,
    };
    let way = |(way, line): (super::flow::Way, super::layout::Line)| PictureWay {
        line: line.path,
        text: way.text,
        text_at: line.text_at,
        to: way.to,
        is_use: way.is_use,
    };
    Picture {
        width,
        height,
        part_height: SIZES.height,
        parts: flow.parts.into_iter().zip(places).map(part).collect(),
        ways: flow.ways.into_iter().zip(lines).map(way).collect(),
    }
}
