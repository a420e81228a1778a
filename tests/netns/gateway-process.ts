/** A home router that speaks UPnP: `gateway-process.ts LAN-ADDRESS WAN-ADDRESS`. Over IPC it lists its mappings. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { createPortMap } from './port-map.ts'

const [lan = '', wan = ''] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))

const GATEWAY = 'urn:schemas-upnp-org:device:InternetGatewayDevice:2'
const WAN_IP = 'urn:schemas-upnp-org:service:WANIPConnection:2'
const UUID = 'uuid:00000000-0000-4000-8000-000000000001'
const SSDP_PORT = 1900
const SSDP_GROUP = '239.255.255.250'

const map = createPortMap()

const description = `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0">
  <specVersion><major>1</major><minor>1</minor></specVersion>
  <device>
    <deviceType>${GATEWAY}</deviceType><friendlyName>router</friendlyName><UDN>${UUID}</UDN>
    <deviceList><device>
      <deviceType>urn:schemas-upnp-org:device:WANDevice:2</deviceType><UDN>${UUID}1</UDN>
      <deviceList><device>
        <deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:2</deviceType><UDN>${UUID}2</UDN>
        <serviceList><service>
          <serviceType>${WAN_IP}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
          <SCPDURL>/scpd.xml</SCPDURL><controlURL>/control</controlURL><eventSubURL>/events</eventSubURL>
        </service></serviceList>
      </device></deviceList>
    </device></deviceList>
  </device>
</root>`

const envelope = (body: string) =>
  `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>${body}</s:Body></s:Envelope>`
const fault = (code: number, why: string) =>
  envelope(
    `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode><errorDescription>${why}</errorDescription></UPnPError></detail></s:Fault>`,
  )

/** Does what a control request says. @returns the reply, or the fault's code and reason */
function control(action: string, body: string): string | [code: number, why: string] {
  const argument = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? ''
  const reply = (inner: string) =>
    envelope(`<u:${action}Response xmlns:u="${WAN_IP}">${inner}</u:${action}Response>`)
  if (action === 'GetExternalIPAddress') {
    return reply(`<NewExternalIPAddress>${wan}</NewExternalIPAddress>`)
  }
  const protocol = argument('NewProtocol').toLowerCase()
  const port = Number(argument('NewExternalPort'))
  if ((protocol !== 'tcp' && protocol !== 'udp') || !(port > 0)) return [402, 'Invalid Args']
  if (action === 'AddAnyPortMapping') {
    if (!(Number(argument('NewLeaseDuration')) > 0)) return [402, 'Invalid Args']
    const inside = Number(argument('NewInternalPort'))
    map.add(protocol, port, { host: argument('NewInternalClient'), port: inside })
    return reply(`<NewReservedPort>${port}</NewReservedPort>`)
  }
  if (action !== 'DeletePortMapping') return [401, 'Invalid Action']
  return map.remove(protocol, port) ? reply('') : [714, 'NoSuchEntryInArray']
}

const server = createServer((request, response) => {
  void text(request).then((body) => {
    response.setHeader('content-type', 'text/xml; charset="utf-8"')
    if (request.method !== 'POST') return response.end(description)
    const action = /#(\w+)/.exec(String(request.headers.soapaction))?.[1] ?? ''
    const result = control(action, body)
    if (typeof result === 'string') return response.end(result)
    response.statusCode = 500
    return response.end(fault(...result))
  })
})
server.listen(0, lan)
await once(server, 'listening')
const { port } = server.address() as { port: number }

const ssdp = createSocket({ type: 'udp4', reuseAddr: true })
ssdp.on('message', (data, from) => {
  const message = String(data)
  if (!message.startsWith('M-SEARCH') || !message.includes(GATEWAY)) return
  const reply = [
    'HTTP/1.1 200 OK',
    'CACHE-CONTROL: max-age=1800',
    'EXT:',
    `LOCATION: http://${lan}:${port}/root.xml`,
    `ST: ${GATEWAY}`,
    `USN: ${UUID}::${GATEWAY}`,
    '',
    '',
  ]
  ssdp.send(reply.join('\r\n'), from.port, from.address)
})
ssdp.bind(SSDP_PORT, () => {
  ssdp.addMembership(SSDP_GROUP, lan)
  process.send?.([])
})
process.on('message', () => process.send?.(map.list()))
