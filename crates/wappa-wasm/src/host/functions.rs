//! The one way to a host function: nothing reaches a linker but through here, and so every entry into the host looks at
//! the clock and at the stop before it does anything.

use std::sync::Arc;

use wasmtime::{
    Caller, Linker, StoreContextMut, WasmRet, WasmTy,
    component::{self, ComponentNamedList, Lift, Lower},
};

use crate::{host::Host, host::error::Stop};

/// The functions that core modules can import.
pub(crate) struct Functions(Linker<Host>);

impl Functions {
    pub(crate) fn new(engine: &wasmtime::Engine) -> Functions {
        Functions(Linker::new(engine))
    }

    /// Provides one.
    pub(crate) fn add<P, R>(
        &mut self,
        module: &str,
        name: &str,
        function: impl HostFunction<P, R>,
    ) -> wasmtime::Result<()> {
        function.link(&mut self.0, module, name)
    }

    /// All of them, to instantiate modules with.
    pub(crate) fn into_linker(self) -> Linker<Host> {
        self.0
    }
}

/// What can be a function for core modules: it takes the caller and the numbers that the guest gives.
pub(crate) trait HostFunction<P, R> {
    fn link(self, linker: &mut Linker<Host>, module: &str, name: &str) -> wasmtime::Result<()>;
}

macro_rules! with_parameters {
    ($($param:ident)*) => {
        #[allow(non_snake_case, reason = "a parameter is called as its type")]
        impl<F, R, $($param),*> HostFunction<($($param,)*), R> for F
        where
            F: Fn(Caller<'_, Host>, $($param),*) -> wasmtime::Result<R> + Send + Sync + 'static,
            wasmtime::Result<R>: WasmRet,
            R: 'static,
            $($param: WasmTy + 'static,)*
        {
            fn link(self, linker: &mut Linker<Host>, module: &str, name: &str) -> wasmtime::Result<()> {
                linker.func_wrap(module, name, move |mut caller: Caller<'_, Host>, $($param: $param),*| {
                    caller.data_mut().enter()?;
                    self(caller, $($param),*)
                })?;
                Ok(())
            }
        }
    };
}

with_parameters!();
with_parameters!(A);
with_parameters!(A B);
with_parameters!(A B C);
with_parameters!(A B C D);
with_parameters!(A B C D E);
with_parameters!(A B C D E G);
with_parameters!(A B C D E G H);
with_parameters!(A B C D E G H I);
with_parameters!(A B C D E G H I J);

/// The functions of one interface that components can import.
pub(crate) struct Interface<'a>(component::LinkerInstance<'a, Host>);

impl<'a> Interface<'a> {
    pub(crate) fn new(
        linker: &'a mut component::Linker<Host>,
        name: &str,
    ) -> wasmtime::Result<Interface<'a>> {
        Ok(Interface(linker.instance(name)?))
    }

    /// Provides a function.
    pub(crate) fn add<P, R>(
        &mut self,
        name: &str,
        function: impl Fn(StoreContextMut<'_, Host>, P) -> wasmtime::Result<R> + Send + Sync + 'static,
    ) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lift + 'static,
        R: ComponentNamedList + Lower + 'static,
    {
        self.0.func_wrap(name, move |mut store: StoreContextMut<'_, Host>, params: P| {
            store.data_mut().enter()?;
            function(store, params)
        })
    }

    /// Provides a function of whatever type the guest wants, which only ends the call and says why.
    pub(crate) fn add_refusal(&mut self, name: &str, why: String) -> wasmtime::Result<()> {
        let why: Arc<str> = why.into();
        self.0.func_new(name, move |mut store: StoreContextMut<'_, Host>, _, _, _| {
            store.data_mut().enter()?;
            Err(Stop::HostCall(why.to_string().into()).into())
        })
    }

    /// Provides a resource, whose handles this gives back.
    pub(crate) fn add_resource<T: 'static>(
        &mut self,
        name: &str,
        give_back: impl Fn(StoreContextMut<'_, Host>) -> wasmtime::Result<()> + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        self.0.resource(name, component::ResourceType::host::<T>(), move |mut store, _| {
            store.data_mut().enter()?;
            give_back(store)
        })
    }
}
