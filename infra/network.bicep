// A virtual network for the app, and private endpoints through which it reaches storage and the vault.
param name string
param location string
param tags object
param storageAccountId string

@description('Empty: there is no vault.')
param vaultId string

@description('A /24 that no peered network uses.')
param addressPrefix string = '10.80.0.0/24'

var storageServices = [
  'blob'
  'queue'
  'table'
]
var storageTargets = map(storageServices, service => {
  service: service
  resourceId: storageAccountId
  zone: 'privatelink.${service}.${environment().suffixes.storage}'
})
var vaultTargets = [
  {
    service: 'vault'
    resourceId: vaultId
    zone: 'privatelink.vaultcore.azure.net'
  }
]
var targets = concat(storageTargets, empty(vaultId) ? [] : vaultTargets)

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: 'vnet-${name}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          // Flex Consumption runs on Container Apps' network.
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }

  resource appSubnet 'subnets' existing = {
    name: 'app'
  }

  resource endpointSubnet 'subnets' existing = {
    name: 'endpoints'
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [for target in targets: {
  name: target.zone
  location: 'global'
  tags: tags
}]

resource zoneLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (target, index) in targets: {
  parent: zone[index]
  name: 'link-${name}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = [for target in targets: {
  name: 'pe-${target.service}-${name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: network::endpointSubnet.id
    }
    privateLinkServiceConnections: [
      {
        name: target.service
        properties: {
          privateLinkServiceId: target.resourceId
          groupIds: [
            target.service
          ]
        }
      }
    ]
  }
}]

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [for (target, index) in targets: {
  parent: endpoint[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: target.service
        properties: {
          privateDnsZoneId: zone[index].id
        }
      }
    ]
  }
}]

output appSubnetId string = network::appSubnet.id
