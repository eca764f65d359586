// The functions of the host on the JVM: those of the mock host that a test has made.
package dev.wappa.guest

import dev.wappa.guest.testing.MockHost

/** Marks a function that the host calls: `process`, and `wappa_init`. */
@Target(AnnotationTarget.FUNCTION)
public annotation class Export(val name: String = "")

internal object Host {
    /** The host whose guest is called in this thread. */
    private val current = ThreadLocal<MockHost>()

    private val it: MockHost
        get() = current.get() ?: error("there is no host: tests have one, `MockHost` of `dev.wappa.guest.testing`")

    fun <T> being(host: MockHost, body: () -> T): T {
        val before = current.get()
        current.set(host)
        try {
            return body()
        } finally {
            current.set(before)
        }
    }

    fun enter(body: () -> Unit) = body()

    fun contentLength(): Int = it.now.content.size

    fun content(): ByteArray = it.now.content.copyOf()

    fun setContent(bytes: ByteArray, from: Int, to: Int) {
        it.now.content = bytes.copyOfRange(from, to)
    }

    fun metadata(key: ByteArray): ByteArray? = it.now.metadata[key.decodeToString()]?.bytes()

    fun metadataJson(key: ByteArray): ByteArray? = it.now.metadata[key.decodeToString()]?.json()?.encodeToByteArray()

    fun hasMetadata(key: ByteArray): Boolean = key.decodeToString() in it.now.metadata

    fun setMetadata(key: ByteArray, value: ByteArray) {
        it.now.metadata[key.decodeToString()] = MockHost.Value.of(value)
    }

    fun setMetadataJson(key: ByteArray, json: ByteArray) {
        it.now.metadata[key.decodeToString()] = MockHost.Value.Json(json.decodeToString())
    }

    fun deleteMetadata(key: ByteArray): Boolean = it.now.metadata.remove(key.decodeToString()) != null

    fun keys(): ByteArray = it.keys()

    fun error(): ByteArray? = it.now.error?.encodeToByteArray()

    fun clearError() {
        it.now.error = null
    }

    fun emit() = it.emit()

    fun filter() = it.filter()

    fun fail(reason: ByteArray) = it.fail(reason.decodeToString())

    fun next(): Boolean = it.next()

    fun batchIndex(): Int = it.index

    fun batchLength(): Int = it.batchLength

    fun config(key: ByteArray): ByteArray? = it.config[key.decodeToString()]?.encodeToByteArray()

    fun log(level: Level, text: String) {
        it.logs.add(level to text)
    }

    fun count(name: ByteArray, delta: Long) = it.count(name.decodeToString(), delta)

    fun now(): Long = System.currentTimeMillis() * 1_000_000

    fun random(length: Int): ByteArray = ByteArray(length).also { java.util.concurrent.ThreadLocalRandom.current().nextBytes(it) }
}

/** The line of the guest's sources that threw, or called what threw. */
internal fun placeOf(thrown: Throwable): String? {
    val own = thrown.stackTrace.firstOrNull { it.fileName?.endsWith(".kt") == true && !it.isOfLibrary() }
    return own?.let { "${it.fileName}:${it.lineNumber}" }
}

private fun StackTraceElement.isOfLibrary(): Boolean =
    listOf("kotlin.", "kotlinx.", "dev.wappa.guest.").any { className.startsWith(it) }
