// What a guest finds around it: the config, the log, counters, time and chance.
package dev.wappa.guest

/** The processor's field `config`. */
public val config: Config = Config()

/** The processor's field `config`, a map from texts to texts. */
public class Config internal constructor() {
    /** A value, or null where the key is missing. */
    public operator fun get(key: String): String? = Host.config(key.encodeToByteArray())?.decodeToString()
}

/** The log of the stream, under the processor's label and path. */
public val log: Log = Log()

/** The log of the stream. Lines are bounded in length and in number per second. */
public class Log internal constructor() {
    public fun trace(text: String): Unit = Host.log(Level.TRACE, text)

    public fun debug(text: String): Unit = Host.log(Level.DEBUG, text)

    public fun info(text: String): Unit = Host.log(Level.INFO, text)

    public fun warn(text: String): Unit = Host.log(Level.WARN, text)

    public fun error(text: String): Unit = Host.log(Level.ERROR, text)
}

/** The levels of the log, in the order of their numbers. */
public enum class Level {
    TRACE,
    DEBUG,
    INFO,
    WARN,
    ERROR,
}

/**
 * Adds to the counter `wasm_guest_NAME` of the processor. A name has ASCII letters, digits and `_`, at most 64 of them,
 * and a counter only grows; anything else is an `IllegalArgumentException`.
 */
public fun count(name: String, delta: Long = 1) {
    require(name.length in 1..64 && name.all(::isOfName)) {
        "`$name` is no name for a counter: it has letters, digits and `_`, at most 64"
    }
    require(0 <= delta) { "a counter only grows: $delta is negative" }
    Host.count(name.encodeToByteArray(), delta)
}

private fun isOfName(it: Char): Boolean = it in 'a'..'z' || it in 'A'..'Z' || it in '0'..'9' || it == '_'

/** The time in nanoseconds since 1970. */
public fun now(): Long = Host.now()

/** So many random bytes. */
public fun random(length: Int): ByteArray = Host.random(length)
