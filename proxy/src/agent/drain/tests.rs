use super::count;

#[test]
fn connections_to_the_proxy_itself_do_not_count() {
    let stats = "http.outbound_0.0.0.0_9080;.downstream_cx_active: 9\n\
        listener.0.0.0.0_15006.downstream_cx_active: 2\n\
        listener.0.0.0.0_15006.worker_0.downstream_cx_active: 2\n\
        listener.0.0.0.0_15021.downstream_cx_active: 1\n\
        listener.0.0.0.0_15090.downstream_cx_active: 1\n\
        listener.10.96.0.1_443.downstream_cx_active: 3\n\
        listener.[__]_15001.downstream_cx_active: 1\n\
        listener.admin.downstream_cx_active: 1\n";
    assert_eq!(count(stats, &[15021, 15090]), 6);
}
