/// Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
/// The content is never read, and so never copied.
module route;

import wappa;

nothrow @nogc:

mixin Guest!route;

void route(Message m) {
    const route = routeOf(m);

    Text keys;
    foreach (key; m.metaKeys) {
        if (keys.length > 0) keys.put(',');
        keys.put(key);
    }
    Text position;
    position.put(m.index);
    position.put('/');
    position.put(m.batchLen);

    m.setMeta("route", route);
    m.setMeta("keys", keys[]);
    m.setMeta("position", position[]);
    m.deleteMeta("secret");
    if (auto mark = m.error) {
        m.setMeta("last_error", mark);
        m.clearError();
    }

    count("routed");
    auto line = Text("routed to ");
    line.put(route);
    log(Level.debug_, line[]);
}

const(char)[] routeOf(Message m) {
    if (auto kind = m.meta("kind")) {
        auto key = Text("route.");
        key.put(kind);
        if (auto route = config(key[])) return route;
    }
    if (auto route = config("default")) return route;
    return "none";
}
