# Greets the user of a demonstration's shell. The first lines of this file, made for each run, say how large the terminal is.
export PS1='guest:\w# '
# The guest's first program powers the machine off when this shell ends; nobody else would obey these.
alias poweroff=exit
alias halt=exit
alias reboot='sync; command reboot -f'
mkdir -p /mnt
if mount -t ext4 /dev/vda /mnt 2>/dev/null; then cd /mnt || true; fi
cat <<'END'

This is a Linux guest. Its disk and its source of randomness are Vireo processes on your host.

  ls -l /sys/bus/virtio/devices        all virtio devices
  cat /proc/partitions; df -h /mnt     the disk, mounted here
  head -c 32 /dev/hwrng | hexdump -C   randomness from the host
  exit                                 leave (or Ctrl-A, then x, at any time)

END
