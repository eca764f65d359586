// A guest that greets the people whose names come as messages.
import dev.wappa.guest.Export
import dev.wappa.guest.Message
import dev.wappa.guest.config
import dev.wappa.guest.count
import dev.wappa.guest.prepare
import dev.wappa.guest.serve

private var greeting = "hello"

/** Reads the config. */
@Export("wappa_init")
fun start() = prepare { greeting = config["greeting"] ?: "hello" }

/** What the host calls. */
@Export
fun process() = serve(::greet)

/** Works on one message. */
fun greet(message: Message) {
    val name = message.text
    if (name.isEmpty()) return message.filter()
    message.text = "$greeting, $name!"
    message.metadata["greeted"] = true
    count("greeted")
}
