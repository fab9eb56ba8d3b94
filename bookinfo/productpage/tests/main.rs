//! Tests of productpage as a whole, with the services that it calls. One program, so that it links once.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod process;
#[cfg(test)]
mod services;
#[cfg(test)]
mod shop;
