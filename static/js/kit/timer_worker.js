/** Runs in a worker, whose timers go on where those of a hidden tab do not: says each number again, when its time has come. */

onmessage = ({ data: { number, seconds } }) => setTimeout(() => postMessage(number), seconds * 1000);
