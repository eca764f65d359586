// Decodes a binary protocol: frames of a sensor, one after the other, become documents, one message each.
//
// A frame is a byte 0xA5, a version (1), the number of the device (u16), seconds since 1970 (u32), how many readings
// follow (u8), each a channel (u8) and a value (f32), and a sum of all bytes before it (u8); numbers begin with the
// highest byte.
const HEAD = 9;
const READING = 5;

/** @type {import("wappa-guest").Process} */
export function process(message) {
  const bytes = message.content;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frames = [];
  for (let at = 0; at < bytes.length;) {
    const left = bytes.length - at;
    if (bytes[at] !== 0xa5) return message.fail(`byte ${at}: a frame begins with 0xa5`);
    if (left < HEAD) return message.fail(`byte ${at}: the frame is cut off`);
    if (bytes[at + 1] !== 1) return message.fail(`byte ${at}: version ${bytes[at + 1]} is not known`);
    const end = at + HEAD + READING * bytes[at + 8];
    if (bytes.length <= end) return message.fail(`byte ${at}: the frame is cut off`);
    let sum = 0;
    for (let i = at; i < end; i++) sum = (sum + bytes[i]) & 0xff;
    if (sum !== bytes[end]) return message.fail(`byte ${at}: the sum is wrong`);
    const readings = {};
    for (let i = at + HEAD; i < end; i += READING) readings[bytes[i]] = view.getFloat32(i + 1);
    frames.push({ device: view.getUint16(at + 2), time: view.getUint32(at + 4), readings });
    at = end + 1;
  }
  for (const frame of frames) {
    message.setJson(frame);
    message.metadata.set("device", frame.device);
    message.emit();
  }
  message.filter();
}
