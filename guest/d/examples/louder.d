/// Appends `!!!` to the content, which may be any bytes.
module louder;

import wappa;

mixin Guest!louder;

void louder(Message m) nothrow @nogc {
    auto loud = Text(m.content);
    loud.put("!!!");
    m.content = loud[];
}
