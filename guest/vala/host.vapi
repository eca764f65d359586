/* `host.h` as Vala sees it: an array is passed as its address and its length, as the host wants it. */
[CCode (cheader_filename = "host.h", lower_case_cprefix = "v1_")]
namespace Host {
    public int content_len ();
    public int content_read (int offset, uint8[] into);
    public void content_write (uint8[] content);
    public int meta_get (uint8[] key, uint8[] into);
    public void meta_set (uint8[] key, uint8[] value);
    public void meta_set_json (uint8[] key, uint8[] json);
    public int meta_delete (uint8[] key);
    public int meta_keys (uint8[] into);
    public int error_get (uint8[] into);
    public void error_clear ();
    public void emit ();
    public void filter ();
    public void fail (uint8[] reason);
    public int next ();
    public int batch_index ();
    public int batch_len ();
    public int config_get (uint8[] key, uint8[] into);
    public void log (int level, uint8[] text);
    public void counter_add (uint8[] name, int64 delta);
}
