// Entry of a thread that runs a part of a split simulation.
import { parentPort } from 'node:worker_threads';
import { servePart } from '../sim/remote_part.js';

const port = parentPort!, answer = servePart((message, transfer) => port.postMessage(message, transfer));
port.on('message', (message: unknown) => void answer(message));
