// Import a clip without ever holding it in memory, and play it from the service.
const service = await window.editor.service();
const { BallastClient } = await import(`${service}/static/js/ballast.js`);
const client = new BallastClient({ baseUrl: service });
const element = (id) => document.getElementById(id);

element('file').addEventListener('change', async () => {
  const upload = client.upload(element('file').files[0]);
  upload.on('progress', ({ sentBytes, totalBytes }) => (element('progress').value = sentBytes / totalBytes));
  try {
    const clip = await upload.done;
    element('video').src = await client.mediaUrl(clip);
    element('words').textContent = `${clip.name}: ${clip.durationSeconds.toFixed(1)} s, ${clip.largeFile ? 'large' : 'small'}`;
  } catch (problem) {
    element('words').textContent = `${problem.code}: ${problem.message}`;
  }
});

client.levels().on('level', ({ level }) => (element('memory').textContent = `memory ${level}`));
