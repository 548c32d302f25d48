//! What a reload cannot change: it was built into sockets, threads and tasks at the start.

use super::Config;

impl Config {
    /// Keys that `new` changes and that stay as they are until the process is started again.
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let (old, new) = (&self.written, &new.written);
        let mut keys = Vec::new();
        let mut compare = |key, same: bool| {
            if !same {
                keys.push(key);
            }
        };
        let same = |old: &dyn std::fmt::Debug, new: &dyn std::fmt::Debug| {
            format!("{old:?}") == format!("{new:?}")
        };
        compare("threads", old.threads == new.threads);
        compare("work_stealing", old.work_stealing == new.work_stealing);
        compare("listeners", same(&old.listeners, &new.listeners));
        compare("limits", same(&old.limits, &new.limits));
        compare("timeouts", same(&old.timeouts, &new.timeouts));
        compare("shutdown", same(&old.shutdown, &new.shutdown));
        compare("admin", same(&old.admin, &new.admin));
        compare("access_log", same(&old.access_log, &new.access_log));
        compare("cluster_key", same(&old.cluster_key, &new.cluster_key));
        keys
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(more: &str) -> Config {
        let text = format!(
            "listeners: [{{ address: 127.0.0.1:0 }}]\nclusters:\n  c: {{ discovery: \
             {{ static: [{{ id: a, address: 127.0.0.1:1 }}] }} }}\n\
             routes: [{{ path: /, cluster: c }}]\n{more}"
        );
        Config::parse(Path::new("proxy.yaml"), &text).expect("a good configuration")
    }

    #[test]
    fn what_stays_until_a_restart_is_named() {
        let before = config("");
        assert!(before.needs_restart(&config("")).is_empty());
        assert!(
            before
                .needs_restart(&config("retry: { attempts: 2 }\n"))
                .is_empty()
        );
        let after = config("threads: 3\nshutdown: { deadline: 41s }\n");
        assert_eq!(before.needs_restart(&after), ["threads", "shutdown"]);
    }
}
