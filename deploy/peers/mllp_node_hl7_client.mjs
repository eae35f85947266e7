// Sends the messages of a file, one after the other on one connection, with node-hl7-client.
// The library calls back for an answer that it could read as a message; who sends before that, it makes
// wait and opens a second connection for, so the next message goes when the answer has come.
import { Client, Message } from 'node-hl7-client';
import { once } from 'node:events';
import { arguments_, exitWith, print } from './mllp_file.mjs';

const { host, port, encoding, texts } = arguments_();
const client = new Client({ host });
let answered;
const connection = client.createConnection({ port, encoding }, (answer) => answered(answer.getMessage()));
const failed = new Promise((_, reject) => connection.on('data.error', reject));

await exitWith(async () => {
  await once(connection, 'connect');
  const codes = [];
  for (const text of texts) {
    const message = new Message({ text });
    const answer = new Promise((resolve) => (answered = resolve));
    await connection.sendMessage(message);
    const acknowledgement = await Promise.race([answer, failed]);
    const controlId = acknowledgement.get('MSA.2').toString();
    if (controlId !== message.get('MSH.10').toString()) {
      throw new Error('MSA-2 is not the MSH-10 that was sent');
    }
    codes.push(acknowledgement.get('MSA.1').toString());
    print(codes.at(-1), controlId);
  }
  return codes;
});
client.closeAll();
