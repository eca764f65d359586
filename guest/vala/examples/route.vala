/* Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
   The content is never read, and so never copied. */

/* As `letters ("kind").bytes ()`: what the host takes are bytes. */
static Text letters (string text) {
    var it = Text ();
    it.add_string (text);
    return it;
}

/* Each of these asks once more where there is more than the room that it has; false says that there is no such thing. */
static bool read_meta (uint8[] key, ref Text into) {
    into.length = Host.meta_get (key, into.room);
    if (into.room.length < into.length) {
        into.room = new uint8[into.length];
        Host.meta_get (key, into.room);
    }
    return 0 <= into.length;
}

static bool read_config (uint8[] key, ref Text into) {
    into.length = Host.config_get (key, into.room);
    if (into.room.length < into.length) {
        into.room = new uint8[into.length];
        Host.config_get (key, into.room);
    }
    return 0 <= into.length;
}

static bool read_error (ref Text into) {
    into.length = Host.error_get (into.room);
    if (into.room.length < into.length) {
        into.room = new uint8[into.length];
        Host.error_get (into.room);
    }
    return 0 <= into.length;
}

static void read_keys (ref Text into) {
    var packed = new uint8[1024];
    var len = Host.meta_keys (packed);
    if (packed.length < len) {
        packed = new uint8[len];
        Host.meta_keys (packed);
    }
    // Each is a length of four bytes, the lowest first, and its letters.
    var at = 0;
    while (at < len) {
        var end = at + 4 + (packed[at] | packed[at + 1] << 8 | packed[at + 2] << 16 | packed[at + 3] << 24);
        if (0 < into.length) into.add_letter (',');
        into.add (packed[at + 4 : end]);
        at = end;
    }
}

static void find_route (ref Text route) {
    var kind = Text ();
    if (read_meta (letters ("kind").bytes (), ref kind)) {
        var key = letters ("route.");
        key.add (kind.bytes ());
        if (read_config (key.bytes (), ref route)) return;
    }
    if (!read_config (letters ("default").bytes (), ref route)) route = letters ("none");
}

static void set_route () {
    var route = Text ();
    find_route (ref route);
    var keys = Text ();
    read_keys (ref keys);
    var position = Text ();
    position.add_number (Host.batch_index ());
    position.add_letter ('/');
    position.add_number (Host.batch_len ());

    Host.meta_set (letters ("route").bytes (), route.bytes ());
    Host.meta_set (letters ("keys").bytes (), keys.bytes ());
    Host.meta_set (letters ("position").bytes (), position.bytes ());
    Host.meta_delete (letters ("secret").bytes ());
    var mark = Text ();
    if (read_error (ref mark)) {
        Host.meta_set (letters ("last_error").bytes (), mark.bytes ());
        Host.error_clear ();
    }

    Host.counter_add (letters ("routed").bytes (), 1);
    var line = letters ("routed to ");
    line.add (route.bytes ());
    Host.log (1, line.bytes ());
}

[CCode (cname = "process")]
public void process () {
    do {
        set_route ();
    } while (Host.next () == 1);
}
