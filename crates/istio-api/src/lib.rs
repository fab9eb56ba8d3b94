//! istio-api
