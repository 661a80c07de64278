# Starts the daemon, after killing the one there is.
killall -9 bluetoothd 2>/dev/null
bluetoothd -n ${BLUETOOTHD_DEBUG:+-d} -f /etc/bluetooth/main.conf >>/tmp/bluetoothd.log 2>&1 &
