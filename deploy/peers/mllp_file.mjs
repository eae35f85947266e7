// What both MLLP clients share: their arguments, the messages of a file, and what they print.
import { readFileSync } from 'node:fs';

const SECONDS = 30;

/**
 * Arguments: HOST PORT FILE ENCODING. FILE holds messages framed as MLLP (0x0b ... 0x1c 0x0d).
 * ENCODING is Node's name ("utf-8", "latin1"): these clients send text, not bytes.
 */
export function arguments_() {
  const [host, port, file, encoding] = process.argv.slice(2);
  if (!host || !port || !file || !encoding) {
    console.error('usage: HOST PORT FILE ENCODING');
    process.exit(2);
  }
  const texts = readFileSync(file, encoding === 'utf-8' ? 'utf8' : encoding)
    .split('\x1c\r')
    .filter((frame) => frame)
    .map((frame) => frame.replace(/^\x0b/, ''));
  return { host, port: Number(port), encoding, texts };
}

/** One line of JSON for an answer that the library gave us. */
export function print(code, controlId) {
  console.log(JSON.stringify({ code, control_id: controlId }));
}

/** Exit 0 if every answer was positive (HL7 table 0008), 1 if not or if none came in time. */
export async function exitWith(codes) {
  const tooLate = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${SECONDS} s`)), SECONDS * 1000).unref();
  });
  try {
    const answered = await Promise.race([codes(), tooLate]);
    process.exitCode = answered.every((code) => code === 'AA' || code === 'CA') ? 0 : 1;
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
