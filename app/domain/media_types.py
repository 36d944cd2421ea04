"""The types of video and audio that are accepted. A picture's type stands with its format (`imaging/formats/`)."""

from __future__ import annotations

from app.domain.media import MediaKind, MediaType

MP4 = MediaType("video/mp4", MediaKind.VIDEO, ".mp4")
QUICKTIME = MediaType("video/quicktime", MediaKind.VIDEO, ".mov")
THREE_GPP = MediaType("video/3gpp", MediaKind.VIDEO, ".3gp")
MATROSKA = MediaType("video/x-matroska", MediaKind.VIDEO, ".mkv")
WEBM = MediaType("video/webm", MediaKind.VIDEO, ".webm")
AVI = MediaType("video/x-msvideo", MediaKind.VIDEO, ".avi")
TRANSPORT_STREAM = MediaType("video/mp2t", MediaKind.VIDEO, ".ts")
PROGRAM_STREAM = MediaType("video/mpeg", MediaKind.VIDEO, ".mpg")
FLV = MediaType("video/x-flv", MediaKind.VIDEO, ".flv")
ASF = MediaType("video/x-ms-asf", MediaKind.VIDEO, ".asf")
OGG_VIDEO = MediaType("video/ogg", MediaKind.VIDEO, ".ogv")
OGG_AUDIO = MediaType("audio/ogg", MediaKind.AUDIO, ".ogg")
M4A = MediaType("audio/mp4", MediaKind.AUDIO, ".m4a")
MP3 = MediaType("audio/mpeg", MediaKind.AUDIO, ".mp3")
AAC = MediaType("audio/aac", MediaKind.AUDIO, ".aac")
FLAC = MediaType("audio/flac", MediaKind.AUDIO, ".flac")
WAV = MediaType("audio/wav", MediaKind.AUDIO, ".wav")
