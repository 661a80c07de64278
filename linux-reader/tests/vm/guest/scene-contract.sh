# The suite that every transport passes, over BlueZ.
export CONTROLLERS=3
. /etc/bluetooth-up.sh || return 1
export GETTONE_BLUEZ=hci0,hci1,hci2
export GETTONE_BLUEZ_RESTART="sh /etc/bluetooth-daemon.sh"
[ -n "$TRACE" ] && { btmon >/tmp/btmon.log 2>&1 & }
/opt/contract --ignored --test-threads=1 2>&1
rc=$?
[ $rc = 0 ] || { tail -n 15 /tmp/bluetoothd.log; dmesg | tail -n 5; }
return $rc
