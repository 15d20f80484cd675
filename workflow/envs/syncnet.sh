#!/bin/sh
# Makes a virtual environment for syncnet-python, whose pins clash with the project's.
# Usage: workflow/envs/syncnet.sh FOLDER [PYTHON]; pip's own settings decide which build of torch it gets.
set -eu
folder=$1
"${2:-python3.11}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet torch==2.13.0 torchvision==0.28.0
"$folder/bin/python" -m pip install --quiet syncnet-python==0.2.3 \
    imageio-ffmpeg==0.8.1 numpy==2.4.6 opencv-contrib-python==5.0.0.93 scenedetect==0.6.7.1 scipy==1.17.1
# its pipeline calls a command `ffmpeg`
ln -sf "$("$folder/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')" "$folder/bin/ffmpeg"
touch "$folder/.installed"
