/* Appends `!!!` to the content, which may be any bytes. */
[CCode (cname = "process")]
public void process () {
    do {
        var loud = Text ();
        loud.room = new uint8[Host.content_len () + 3];
        loud.length = Host.content_read (0, loud.room);
        loud.add_string ("!!!");
        Host.content_write (loud.bytes ());
    } while (Host.next () == 1);
}
