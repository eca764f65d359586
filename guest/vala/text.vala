/* Bytes that grow, and what of the host returns bytes. */
public struct Text {
    public uint8[] room;
    public int length;

    public void add (uint8[] bytes) {
        reserve (length + bytes.length);
        for (var i = 0; i < bytes.length; i++) room[length++] = bytes[i];
    }

    public void add_letter (uint8 letter) {
        reserve (length + 1);
        room[length++] = letter;
    }

    public void add_string (string text) {
        reserve (length + text.length);
        uint8* letters = (uint8*) text;
        for (var i = 0; i < text.length; i++) room[length++] = letters[i];
    }

    public void add_number (int number) {
        if (10 <= number) add_number (number / 10);
        add_letter ((uint8) ('0' + number % 10));
    }

    public unowned uint8[] bytes () {
        unowned uint8[] it = room;
        it.length = length;
        return it;
    }

    private void reserve (int wanted) {
        if (room.length < wanted) room.resize (2 * wanted);
    }
}
