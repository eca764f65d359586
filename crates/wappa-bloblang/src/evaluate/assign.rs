//! Assignments.

use wappa_message::{Metadata, Object, Value};

use super::Machine;
use crate::{
    error::{Error, Result},
    program::Target,
    value::{Evaluated, go, path::Path},
};

impl Machine<'_> {
    /// Assigns a result that is not nothing.
    pub(super) fn assign(
        &mut self,
        target: &Target,
        value: Evaluated,
        has_metadata: bool,
        is_of_document: bool,
    ) -> Result<()> {
        match target {
            Target::Root(path) => self.assign_root(path, value),
            Target::Variable(slot) => {
                self.variables[*slot] = match value {
                    Evaluated::Deleted => None,
                    value => Some(value),
                };
                Ok(())
            }
            Target::Metadata(_) if !has_metadata => {
                Err(Error::new("unable to assign metadata in the current context"))
            }
            Target::Metadata(Some(key)) => {
                match value {
                    Evaluated::Deleted => drop(self.metadata_mut().delete(key)),
                    value => self.metadata_mut().set(key.clone(), value.into_value()),
                }
                Ok(())
            }
            Target::Metadata(None) => {
                *self.metadata_mut() = match value {
                    Evaluated::Deleted => Metadata::default(),
                    Evaluated::Value(Value::Object(object)) => {
                        let of_object = Value::Object(object.clone()).own();
                        self.budget.walk(of_object.source)?;
                        self.budget.containers(1, of_object.allocated / size_of::<Value>())?;
                        Metadata::from_pairs(object.iter().map(|(key, value)| (key.to_bytes(), value)))
                    }
                    other => {
                        let kind = go::type_name_of(&other, is_of_document);
                        return Err(Error::new(format!(
                            "setting root meta object requires object value, received: {kind}"
                        )));
                    }
                };
                Ok(())
            }
        }
    }

    fn assign_root(&mut self, path: &Path, value: Evaluated) -> Result<()> {
        if path.is_empty() {
            if self.is_in_place {
                // What was changed in place stays the document.
                self.is_in_place = false;
                self.document = super::Document::Read(std::mem::replace(&mut self.root, value));
            } else {
                self.root = value;
            }
            return Ok(());
        }
        if matches!(self.root, Evaluated::Nothing | Evaluated::Value(Value::Null)) {
            if self.is_in_place {
                self.is_in_place = false;
                self.document = super::Document::Read(Evaluated::Value(Value::Null));
            }
            self.root = Evaluated::Value(Value::Object(Object::default()));
        }
        let root = match &mut self.root {
            Evaluated::Value(root) => root,
            // What is deleted holds nothing, so that deleting in it changes nothing.
            Evaluated::Deleted | Evaluated::Nothing if value == Evaluated::Deleted => return Ok(()),
            Evaluated::Deleted | Evaluated::Nothing => {
                return Err(Error::new(format!(
                    "unable to set target path {} as the value of the root was a non-object type (delete)",
                    path.to_dots()
                )));
            }
        };
        match value {
            // Where there is nothing to delete, nothing is what is left.
            Evaluated::Deleted => drop(path.delete(root, &mut self.budget)?),
            value => path.assign(root, value.into_value(), &mut self.budget)?,
        }
        Ok(())
    }
}
