// The other peer of benchmarks/upload.py: express with multer's disk storage. node multer.cjs MODULES PORT FOLDER
const fs = require("node:fs");
const { createRequire } = require("node:module");

const [modules, port, folder] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const express = load("express");
const upload = load("multer")({ dest: folder });

express()
  .post("/upload", upload.single("file"), (request, response) => {
    const { path, size } = request.file;
    fs.unlink(path, () => response.status(201).json({ size }));
  })
  .listen(Number(port), "127.0.0.1");
