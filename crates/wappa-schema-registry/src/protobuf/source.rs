//! From the source of a schema to the types of its file.

use prost_reflect::{
    DescriptorPool, MessageDescriptor,
    prost_types::{
        DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, UninterpretedOption,
    },
};

/// What the file of the schema itself is called; no import is called so.
const ROOT: &str = ".";

/// How long all names may be, each with those that it is in.
const NAME_BYTES_MAX: usize = 32 << 20;

/// The types of the file of a schema. What it imports is known by these names; what Google's own files define is there.
pub(super) fn types(text: &str, imports: &[(&str, &str)]) -> Result<Vec<MessageDescriptor>, String> {
    let mut pool = DescriptorPool::global();
    let mut files = vec![read(ROOT, text)?];
    for (name, text) in imports {
        if *name != ROOT && pool.get_file_by_name(name).is_none() {
            files.push(read(name, text)?);
        }
    }
    let mut names = Names(0);
    files.iter().for_each(|it| names.file(it));
    if NAME_BYTES_MAX < names.0 {
        return Err("its names are too long".to_string());
    }
    pool.add_file_descriptor_protos(files).map_err(|err| err.to_string())?;
    let root = pool.get_file_by_name(ROOT).ok_or("it has no file")?;
    Ok(root.messages().collect())
}

fn read(name: &str, text: &str) -> Result<FileDescriptorProto, String> {
    let mut file = protox_parse::parse(name, text).map_err(|err| {
        let place = if name == ROOT { String::new() } else { format!("{name}: ") };
        format!("{place}{err}")
    })?;
    file.source_code_info = None;
    file.options = None;
    file.service.clear();
    file.message_type.iter_mut().for_each(plain_message);
    file.enum_type.iter_mut().for_each(plain_enum);
    file.extension.iter_mut().for_each(plain_field);
    Ok(file)
}

// Of options, those count that say how messages are written. All others are left out, with whatever they are made of.

fn plain_message(message: &mut DescriptorProto) {
    message.field.iter_mut().for_each(plain_field);
    message.extension.iter_mut().for_each(plain_field);
    message.nested_type.iter_mut().for_each(plain_message);
    message.enum_type.iter_mut().for_each(plain_enum);
    message.oneof_decl.iter_mut().for_each(|it| it.options = None);
    message.extension_range.iter_mut().for_each(|it| it.options = None);
    if let Some(options) = &mut message.options {
        options.uninterpreted_option.clear();
    }
}

fn plain_enum(it: &mut EnumDescriptorProto) {
    it.value.iter_mut().for_each(|it| it.options = None);
    if let Some(options) = &mut it.options {
        options.allow_alias = flag(&options.uninterpreted_option, "allow_alias").or(options.allow_alias);
        options.uninterpreted_option.clear();
    }
}

fn plain_field(field: &mut FieldDescriptorProto) {
    if let Some(options) = &mut field.options {
        options.packed = flag(&options.uninterpreted_option, "packed").or(options.packed);
        options.uninterpreted_option.clear();
    }
}

/// What an option without a type of its own says, if it is there.
fn flag(options: &[UninterpretedOption], name: &str) -> Option<bool> {
    let found = options
        .iter()
        .find(|it| matches!(it.name.as_slice(), [one] if !one.is_extension && one.name_part == name))?;
    found.identifier_value.as_deref().and_then(|it| it.parse().ok())
}

/// How long names become: each is kept with those of what it is in.
struct Names(usize);

impl Names {
    fn add(&mut self, around: usize, name: Option<&str>) -> usize {
        let whole = around + 1 + name.map_or(0, str::len);
        // A type is named by its fields as well.
        self.0 = self.0.saturating_add(2 * whole + 64);
        whole
    }

    fn file(&mut self, file: &FileDescriptorProto) {
        let around = file.package.as_deref().map_or(0, str::len);
        file.message_type.iter().for_each(|it| self.message(around, it));
        file.enum_type.iter().for_each(|it| self.of_enum(around, it));
        file.extension.iter().for_each(|it| self.field(around, it));
    }

    fn message(&mut self, around: usize, message: &DescriptorProto) {
        let around = self.add(around, message.name.as_deref());
        message.field.iter().for_each(|it| self.field(around, it));
        message.extension.iter().for_each(|it| self.field(around, it));
        message.oneof_decl.iter().for_each(|it| _ = self.add(around, it.name.as_deref()));
        message.enum_type.iter().for_each(|it| self.of_enum(around, it));
        message.nested_type.iter().for_each(|it| self.message(around, it));
    }

    fn of_enum(&mut self, around: usize, it: &EnumDescriptorProto) {
        self.add(around, it.name.as_deref());
        it.value.iter().for_each(|it| _ = self.add(around, it.name.as_deref()));
    }

    fn field(&mut self, around: usize, field: &FieldDescriptorProto) {
        self.add(around, field.name.as_deref());
        self.add(around, field.type_name.as_deref());
    }
}
