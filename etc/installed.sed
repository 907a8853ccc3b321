# Turns the config file of the checkout into that of an installed phttpd.
/^# Written by/,/^#$/d
s|[$]schema=|&/usr/share/phttpd/|
s|^port: .*|port: 80|
s|^docroot: .*|docroot: /srv/phttpd|
s|^pidfile: .*|pidfile: /run/phttpd/phttpd.pid|
s|^log_file: .*|#log_file: /var/log/phttpd.log|
