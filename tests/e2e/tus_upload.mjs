// Uploads one file with tus-js-client and prints the id of the media item: node tus_upload.mjs MODULES ENDPOINT FILE PARTS
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";

const [modules, endpoint, file, parts] = process.argv.slice(2);
const tus = createRequire(`${modules}/`)("tus-js-client");

let mediaId = null;
const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  retryDelays: [50, 100, 200, 400, 800, 1600, 3200, 3200, 3200, 3200, 3200, 3200],
  parallelUploads: Number(parts),
  metadata: { filename: "a long video.mp4", filetype: "video/mp4" },
  onAfterResponse(_request, response) {
    mediaId = response.getHeader("Ballast-Media-Id") ?? mediaId;
  },
  onError(error) {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess() {
    console.log(mediaId);
  },
});
upload.start();
