// A vault for what cannot be done without a secret. Deployed only where there is one.
param name string
param location string
param tags object
param privateNetwork bool
param appPrincipalId string

@secure()
param appRegistrationSecret string

@secure()
param hashKey string

var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enablePurgeProtection: true
    enableSoftDelete: true
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource appRegistration 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(appRegistrationSecret)) {
  parent: vault
  name: 'app-registration-secret'
  properties: {
    value: appRegistrationSecret
  }
}

resource hash 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(hashKey)) {
  parent: vault
  name: 'hash-key'
  properties: {
    value: hashKey
  }
}

resource readerRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appPrincipalId, keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

output id string = vault.id
output appRegistrationSecretUri string = empty(appRegistrationSecret) ? '' : appRegistration!.properties.secretUri
output hashKeyUri string = empty(hashKey) ? '' : hash!.properties.secretUri
