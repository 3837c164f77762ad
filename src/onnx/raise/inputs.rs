//! What a model is given: inputs of the net, and inputs whose values decide shapes.

use std::collections::HashSet;

use super::{
    Constant, Declared, Error, Extent, FAULTS_MAX, Fault, Item, Made, Port, Raise, Value, constant,
};
use crate::shape::Shape;

impl<'a> Raise<'a> {
    pub(super) fn add_inputs(&mut self, declared: &[Declared]) -> Result<(), Error> {
        let model = self.model;
        let names: HashSet<&str> = model.graph.input.iter().map(|it| it.name.as_str()).collect();
        let (mut open, mut faults) = (Vec::new(), Vec::new());
        for (name, what) in self
            .options
            .inputs
            .iter()
            .map(|it| (&it.0, "extents"))
            .chain(self.options.values.iter().map(|it| (&it.0, "a value")))
        {
            if !declared.iter().any(|it| it.name == *name) {
                let known: Vec<&str> = declared.iter().map(|it| it.name.as_str()).collect();
                faults.push(format!(
                    "there is no input `{name}` to give {what} to; inputs: {}",
                    known.join(", ")
                ));
            }
        }
        for input in declared {
            let name = names.get(input.name.as_str()).copied().unwrap_or_default();
            if let Some((_, value)) = self.options.values.iter().find(|it| it.0 == input.name) {
                let value = value.clone().of_element(input.element);
                self.values.insert(name, Some(Value::Known(value)));
                continue;
            }
            match self.extents(input) {
                // What has no elements has no value to ask for.
                Ok(Some(dims)) if dims.contains(&0) && dims.len() <= Shape::RANK_MAX => {
                    let none = Constant::none(dims, input.element);
                    self.values.insert(name, Some(Value::Known(none)));
                }
                Ok(Some(dims)) => match constant::shape(&dims) {
                    Ok(shape) => self.add_input(name, input, dims, shape),
                    Err(Fault::Wrong(fault) | Fault::Needs(fault)) => {
                        faults.push(format!("the input `{name}`: {fault}"));
                    }
                },
                Ok(None) => open.push(input.name.clone()),
                Err(fault) => faults.push(fault),
            }
        }
        faults.truncate(FAULTS_MAX);
        match (faults.is_empty(), open.is_empty()) {
            (false, _) => Err(Error::Invalid(faults)),
            (true, false) => Err(Error::NeedsExtents(open)),
            (true, true) => Ok(()),
        }
    }

    fn add_input(&mut self, name: &'a str, input: &Declared, dims: Vec<usize>, shape: Shape) {
        let id = self.net.add(Item { name: input.name.clone(), shape, call: None });
        self.taken.free(&input.name);
        let port = Port { name: input.name.clone(), dims: dims.clone(), element: input.element };
        self.net.inputs.push((id, port));
        self.inputs.insert(id, input.name.clone());
        let made = Made { id, dims, element: input.element };
        self.values.insert(name, Some(Value::Made(made)));
    }

    /// The extents of an input: as given, or as declared. An open first extent is the batch.
    fn extents(&self, input: &Declared) -> Result<Option<Vec<usize>>, String> {
        let given = self.options.inputs.iter().find(|it| it.0 == input.name).map(|it| &it.1);
        let name = &input.name;
        let Some(declared) = &input.dims else { return Ok(given.cloned()) };
        if let Some(given) = given {
            if !input.admits(given) {
                let said: Vec<String> = declared
                    .iter()
                    .map(|it| match it {
                        Extent::Size(size) => size.to_string(),
                        Extent::Symbol(name) => name.clone(),
                    })
                    .collect();
                let said = said.join(", ");
                return Err(format!(
                    "the input `{name}` cannot be {given:?}; the file says [{said}]"
                ));
            }
            return Ok(Some(given.clone()));
        }
        let size = |(axis, dim): (usize, &Extent)| match dim {
            Extent::Size(size) if *size > 0 => usize::try_from(*size).ok(),
            _ if axis == 0 && declared.len() > 1 => Some(self.options.batch.unwrap_or(1)),
            Extent::Size(_) | Extent::Symbol(_) => None,
        };
        Ok(declared.iter().enumerate().map(size).collect())
    }
}
