# Whole vends: the real reader on hci0, the real server, phones on hci1 and hci2.
export CONTROLLERS=3
. /etc/bluetooth-up.sh || return 1
/opt/bluetooth hci0 hci1 hci2 2>&1
rc=$?
[ $rc = 0 ] || { tail -n 15 /tmp/bluetoothd.log; dmesg | tail -n 5; }
return $rc
