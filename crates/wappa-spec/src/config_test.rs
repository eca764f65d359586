//! Config tests: what a test gives to processors of a config, and what it expects of them.

use wappa_spec_macros::Config;

use crate::mapping::Mapping;
use crate::value::Map;
use crate::yaml::Node;

/// A test of processors of a config.
#[derive(Config, Clone, Debug)]
pub struct TestConfig {
    /// What the test is called where it fails.
    pub name: String,

    /// Environment variables, for the time of the test.
    pub environment: Map<String>,

    /// The processors to run: the place of one processor or of a list of them, as a JSON pointer, or the label of a
    /// processor. Before a `#` may stand the path of another config, relative to the file of the test.
    #[config(
        default = "/pipeline/processors",
        example = "/pipeline/processors/0",
        example = "enrich",
        example = "other.yaml#/pipeline/processors"
    )]
    pub target_processors: String,

    /// The path of a file with a mapping, relative to the file of the test, that is run in place of processors.
    #[config(default = "\"\"", example = "./cities.blobl")]
    pub target_mapping: String,

    /// Processors that stand in for those of the config, by the label of what they replace, or its place as a JSON pointer.
    #[config(example = "{get_price: {mapping: 'root.price = 3'}}")]
    pub mocks: Map<Node>,

    /// The messages of a batch that is given to the processors, behind those of `input_batches`.
    pub input_batch: Vec<TestInputConfig>,

    /// Several batches that are given to the processors.
    pub input_batches: Vec<Vec<TestInputConfig>>,

    /// What each message of each batch that comes out is to be.
    pub output_batches: Vec<Vec<TestOutputConfig>>,
}

/// A message that is given to the processors.
#[derive(Config, Clone, Debug)]
pub struct TestInputConfig {
    /// The content.
    pub content: Option<String>,

    /// The content as a value, which becomes JSON.
    #[config(example = "{id: 5, tags: [new]}")]
    pub json_content: Option<Node>,

    /// The path of a file with the content, relative to the file of the test.
    #[config(example = "./data/order.json")]
    pub file_content: Option<String>,

    /// The metadata.
    #[config(example = "{topic: orders}")]
    pub metadata: Map<Node>,
}

/// What a message that comes out is to be. All that is given is to hold.
#[derive(Config, Clone, Debug)]
pub struct TestOutputConfig {
    /// A mapping whose result is to be `true`.
    #[config(example = "this.age > 10 && @topic == \"orders\"")]
    pub bloblang: Option<Mapping>,

    /// The content.
    pub content_equals: Option<String>,

    /// A regular expression that is to match in the content.
    #[config(example = "^order [0-9]+$")]
    pub content_matches: Option<String>,

    /// Metadata that the message is to have, others beside.
    #[config(example = "{topic: orders}")]
    pub metadata_equals: Option<Map<Node>>,

    /// The path of a file with the content, relative to the file of the test.
    #[config(example = "./data/expected.txt")]
    pub file_equals: Option<String>,

    /// The path of a file with the same JSON as the content's, however it is laid out.
    #[config(example = "./data/expected.json")]
    pub file_json_equals: Option<String>,

    /// The path of a file with JSON of which the content has everything, and maybe more.
    #[config(example = "./data/part.json")]
    pub file_json_contains: Option<String>,

    /// The content as a value, or as a text with JSON, however it is laid out.
    #[config(example = "{id: 5}")]
    pub json_equals: Option<Node>,

    /// A value, or a text with JSON, of which the content has everything, and maybe more.
    #[config(example = "{id: 5}")]
    pub json_contains: Option<Node>,
}
